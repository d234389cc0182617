import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { type Accelerator, type AcceleratorFacts, chooseAccelerator } from './choose-accelerator.ts';

/** What this machine says about hardware virtualisation. */
async function readAcceleratorFacts(): Promise<AcceleratorFacts> {
  const cpuinfo = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  return { kvmOpens: await opensForWriting('/dev/kvm'), cpuFlags: parseCpuFlags(cpuinfo) };
}

/** The accelerator to use here, and why. */
export async function readAccelerator(): Promise<{ accelerator: Accelerator; reason: string }> {
  return chooseAccelerator(await readAcceleratorFacts());
}

/** The flags of the first processor in /proc/cpuinfo. */
export function parseCpuFlags(cpuinfo: string): ReadonlySet<string> {
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1] ?? '';
  return new Set(flags.trim().split(/\s+/));
}

async function opensForWriting(path: string): Promise<boolean> {
  try {
    await (await open(path, constants.O_RDWR)).close();
    return true;
  } catch {
    return false;
  }
}
