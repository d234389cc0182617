import { readdirSync, readFileSync } from 'node:fs';
import { parseCpuMs } from '../../test/lab/verify/process-usage.ts';

/** What a process has used since its start, ms. */
export interface ProcessorTime {
  /** By all but the guest's processors. */
  readonly ownMs: number;
  /** By QEMU's threads that are the guest's processors, as the guest or emulating it. */
  readonly guestMs: number;
}

const none: ProcessorTime = { ownMs: 0, guestMs: 0 };

/** Of all of these processes; one that does not run has used nothing. */
export function readProcessorTime(pids: readonly (number | undefined)[]): ProcessorTime {
  return pids.map(readOne).reduce(add, none);
}

export function since(before: ProcessorTime, after: ProcessorTime): ProcessorTime {
  return { ownMs: after.ownMs - before.ownMs, guestMs: after.guestMs - before.guestMs };
}

/** QEMU names them `CPU 0/TCG` (debug-threads=on). What threads that have ended used is in the sum of the process. */
function readOne(pid: number | undefined): ProcessorTime {
  if (pid === undefined) return none;
  try {
    const allMs = parseCpuMs(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    const threads = readdirSync(`/proc/${pid}/task`).map((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'),
    );
    const guestMs = threads
      .filter((stat) => /^\d+ \(CPU \d/.test(stat))
      .reduce((sum, stat) => sum + parseCpuMs(stat), 0);
    return { ownMs: allMs - guestMs, guestMs };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return none;
    throw error;
  }
}

function add(left: ProcessorTime, right: ProcessorTime): ProcessorTime {
  return { ownMs: left.ownMs + right.ownMs, guestMs: left.guestMs + right.guestMs };
}
