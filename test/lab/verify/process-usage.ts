import { readdirSync, readFileSync } from 'node:fs';

/** What one process holds and has used. */
export interface ProcessUsage {
  readonly pid: number;
  readonly command: readonly string[];
  /** Memory that is backed by no file, KiB: what the process really costs, shared libraries not counted. */
  readonly anonymousKiB: number;
  /** CPU time since its start, its own and that of children it has waited for, ms; steps of 10. */
  readonly cpuMs: number;
}

/** One line of JSON in answer to `usage ARGUMENT`. */
export interface UsageReport {
  /** By the guest's monotonic clock, which is the clock that the CPU times are in. */
  readonly clockMs: number;
  readonly processes: readonly ProcessUsage[];
}

/** Milliseconds in a clock tick of /proc: USER_HZ is 100 on every architecture that Debian has Node for. */
const tickMs = 10;

/** @throws what reading /proc throws: ENOENT or ESRCH where the process is gone, EACCES where it is another user's */
export function readProcessUsage(pid: number): ProcessUsage {
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  const anonymousKiB = parseAnonymousKiB(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  const cpuMs = parseCpuMs(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return { pid, command, anonymousKiB, cpuMs };
}

/** Every process that has `argument` among its arguments, oldest pid first. One that ends meanwhile is left out. */
export function readUsageOf(argument: string): ProcessUsage[] {
  const pids = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .sort((left, right) => left - right);
  return pids.flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return command.includes(argument) ? [readProcessUsage(pid)] : [];
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ESRCH') return [];
      throw error;
    }
  });
}

/** The sum of /proc/PID/smaps_rollup (proc_pid_smaps(5)). @throws Error where the field is not there */
export function parseAnonymousKiB(smapsRollup: string): number {
  const found = /^Anonymous:\s+(\d+) kB$/m.exec(smapsRollup)?.[1];
  if (found === undefined) throw new Error('smaps_rollup has no field "Anonymous"');
  return Number(found);
}

/** utime, stime, cutime and cstime of /proc/PID/stat (proc_pid_stat(5)), ms. @throws Error where it is cut short */
export function parseCpuMs(stat: string): number {
  // The second field, the program's name, may have spaces and parentheses in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).map(Number);
  if (ticks.length < 4 || ticks.some((value) => !Number.isInteger(value))) {
    throw new Error(`no times in the process status "${stat.trim()}"`);
  }
  return ticks.reduce((sum, value) => sum + value, 0) * tickMs;
}
