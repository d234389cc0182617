import type { GuestState } from '../../protocol/guest-state.ts';
import type { SystemFiles } from '../system-files.ts';
import { parseCpuList } from './parse-kernel-text.ts';

export const cpuFolder = '/sys/devices/system/cpu';

/** Numbers of the processors that are plugged, and of those that are online, ascending. */
export async function readCpuNumbers(files: SystemFiles): Promise<{ present: number[]; online: number[] }> {
  const online = parseCpuList(await files.read(`${cpuFolder}/online`));
  // `present` lists what firmware announced; only a folder is a processor that can be used now.
  const folders = await files.list(cpuFolder);
  const present = folders
    .map((name) => /^cpu(\d+)$/.exec(name)?.[1])
    .filter((number) => number !== undefined);
  return { present: present.map(Number).sort((a, b) => a - b), online };
}

export async function readVcpus(files: SystemFiles): Promise<GuestState['vcpus']> {
  const { present, online } = await readCpuNumbers(files);
  return { online: online.length, present: Math.max(present.length, online.length) };
}
