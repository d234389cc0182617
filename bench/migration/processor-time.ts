import { readdirSync, readFileSync } from 'node:fs';

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

/** Milliseconds in a clock tick of /proc, where USER_HZ is 100. */
const tickMs = 10;

/**
 * utime and stime of /proc/PID/stat (proc_pid_stat(5)), ms. Not what children have used that it has waited for: among
 * those of wdockd is a QEMU that ended, with all that its guest did in its life.
 * @throws Error where it is cut short
 */
export function parseOwnCpuMs(stat: string): number {
  // The second field, the program's name, may have spaces and parentheses in it.
  const ticks = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  if (ticks.length < 2 || ticks.some((value) => !Number.isInteger(value)))
    throw new Error(`no times in the process status "${stat.trim()}"`);
  return ticks.reduce((sum, value) => sum + value, 0) * tickMs;
}

/** QEMU names them `CPU 0/TCG` (debug-threads=on). What threads that have ended used is in the sum of the process. */
function readOne(pid: number | undefined): ProcessorTime {
  if (pid === undefined) return none;
  try {
    const allMs = parseOwnCpuMs(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    const threads = readdirSync(`/proc/${pid}/task`).map((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'),
    );
    const guestMs = threads
      .filter((stat) => /^\d+ \(CPU \d/.test(stat))
      .reduce((sum, stat) => sum + parseOwnCpuMs(stat), 0);
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
