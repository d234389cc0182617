import { DockError } from '../protocol/dock-error.ts';
import type { UsageReport } from '../test/lab/verify/process-usage.ts';

/** What one process costs while nothing is asked of it. */
export interface Footprint {
  /** At the end of the time watched. */
  readonly anonymousKiB: number;
  readonly cpuMsPerMinute: number;
}

/**
 * The footprint of each process between two reports, in their order.
 * @throws DockError `conflict` where a process ended or began in between: it was not idle, and its figures say nothing
 */
export function compareUsage(before: UsageReport, after: UsageReport): Footprint[] {
  const pids = (report: UsageReport) => report.processes.map(({ pid }) => pid).join(' ');
  if (pids(before) !== pids(after)) {
    throw new DockError(
      'conflict',
      `the processes changed while they were watched: from ${pids(before) || 'none'} to ${pids(after) || 'none'}`,
    );
  }
  const minutes = (after.clockMs - before.clockMs) / 60_000;
  if (!(minutes > 0)) throw new DockError('conflict', 'no time passed between the two reports');
  return after.processes.map(({ anonymousKiB, cpuMs }, index) => ({
    anonymousKiB,
    cpuMsPerMinute: (cpuMs - (before.processes[index]?.cpuMs ?? 0)) / minutes,
  }));
}
