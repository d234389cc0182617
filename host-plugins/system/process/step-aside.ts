import { readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** Nice value of a thread that lets others go first: where all want to run, it gets a tenth of what each of them gets. */
const aside = 10;

let ends: NodeJS.Timeout | undefined;

/**
 * For so long, ms, the main thread of this process lets others go first (sched(7): on Linux each thread has its own nice value).
 * Not where it could not come back: without `CAP_SYS_NICE`, and with a `RLIMIT_NICE` that forbids it (systemd's `LimitNICE=`).
 */
export function stepAside(ms: number): void {
  if (ends === undefined) {
    if (!mayComeBack()) return;
    setPriority(aside);
  }
  clearTimeout(ends);
  ends = setTimeout(comeBack, ms);
  ends.unref();
}

/** Ends that: what is started inherits the nice value of this thread, and keeps it. */
export function comeBack(): void {
  if (ends === undefined) return;
  clearTimeout(ends);
  ends = undefined;
  setPriority(0);
}

/**
 * Only of one that has the usual priority: whoever gave it another one had a reason. Whether it has the capability is tried, for in a
 * user namespace one that it has does not count.
 */
function mayComeBack(): boolean {
  if (getPriority() !== 0) return false;
  try {
    setPriority(-1);
  } catch {
    return mayHaveUsualPriority(readFileSync('/proc/self/limits', 'utf8'));
  }
  setPriority(0);
  return true;
}

/** Whether a process without the capability may set its own nice value to 0 when it is higher; of its /proc/PID/limits. */
export function mayHaveUsualPriority(limits: string): boolean {
  const limit = /^Max nice priority\s+(\S+)/m.exec(limits)?.[1];
  // 20 is nice value 0 (getrlimit(2)).
  return limit === 'unlimited' || Number(limit) >= 20;
}
