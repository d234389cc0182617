import type { GuestState, ProcessMemory } from '../../protocol/guest-state.ts';
import type { SystemFiles } from '../system-files.ts';
import { findKiBAsMiB, findPressureSomeAvg10 } from './parse-kernel-text.ts';

const largestCount = 5;
/** More processes than this are not looked at: the answer must come within seconds on a small device. */
const maxProcesses = 4096;
const readAtOnce = 16;

export async function readMemory(files: SystemFiles): Promise<GuestState['memory']> {
  const info = await files.read('/proc/meminfo');
  const totalMiB = findKiBAsMiB(info, 'MemTotal') ?? 0;
  const availableMiB = findKiBAsMiB(info, 'MemAvailable') ?? 0;
  const pressure = findPressureSomeAvg10((await files.readIfThere('/proc/pressure/memory')) ?? '');
  const cache = parseCache(info);
  return {
    totalMiB,
    availableMiB,
    usedMiB: Math.round((totalMiB - availableMiB) * 10) / 10,
    ...(pressure === undefined ? {} : { pressureSomeAvg10: pressure }),
    ...(cache === undefined ? {} : { cache }),
    largest: await readLargest(files),
  };
}

/** The page cache as it is now; undefined where the kernel does not tell. */
export async function readCache(files: SystemFiles): Promise<GuestState['memory']['cache']> {
  return parseCache(await files.read('/proc/meminfo'));
}

function parseCache(info: string): GuestState['memory']['cache'] {
  const activeMiB = findKiBAsMiB(info, 'Active\\(file\\)');
  const inactiveMiB = findKiBAsMiB(info, 'Inactive\\(file\\)');
  if (activeMiB === undefined || inactiveMiB === undefined) return undefined;
  const dirtyMiB = (findKiBAsMiB(info, 'Dirty') ?? 0) + (findKiBAsMiB(info, 'Writeback') ?? 0);
  return { activeMiB, inactiveMiB, dirtyMiB };
}

/** The processes that hold the most memory that no dropped cache gives back: anonymous and shared. */
async function readLargest(files: SystemFiles): Promise<ProcessMemory[]> {
  const pids = (await files.list('/proc')).filter((name) => /^\d+$/.test(name)).slice(0, maxProcesses);
  let largest: ProcessMemory[] = [];
  for (let at = 0; at < pids.length; at += readAtOnce) {
    const some = await Promise.all(
      pids.slice(at, at + readAtOnce).map((pid) => readProcess(files, Number(pid))),
    );
    largest = [...largest, ...some.filter((process) => process !== undefined)]
      .sort((a, b) => b.residentMiB - a.residentMiB)
      .slice(0, largestCount);
  }
  return largest;
}

/** undefined for a process that ended meanwhile and for kernel threads, which have no memory of their own. */
async function readProcess(files: SystemFiles, pid: number): Promise<ProcessMemory | undefined> {
  const status = (await files.readIfThere(`/proc/${pid}/status`)) ?? '';
  const anonymous = findKiBAsMiB(status, 'RssAnon');
  if (anonymous === undefined) return undefined;
  const shared = findKiBAsMiB(status, 'RssShmem') ?? 0;
  return {
    name: /^Name:\t(.*)$/m.exec(status)?.[1] ?? String(pid),
    pid,
    residentMiB: Math.round((anonymous + shared) * 10) / 10,
  };
}
