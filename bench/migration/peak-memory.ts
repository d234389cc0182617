import { readFileSync, writeFileSync } from 'node:fs';

/** From now on the peak of this process is counted anew (proc_pid_clear_refs(5)). */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** The most resident memory that it has had, KiB. */
export function readPeakKiB(pid: number): number {
  return parsePeakKiB(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** @throws Error where the kernel does not say it */
export function parsePeakKiB(status: string): number {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (found === undefined) throw new Error('the process status has no field "VmHWM"');
  return Number(found);
}
