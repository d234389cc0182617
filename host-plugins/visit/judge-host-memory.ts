/** Where the memory of a process of this device could be written to a disk. */
export interface HostMemoryFacts {
  /** Swap areas in use, by their files or partitions; /proc/swaps. */
  readonly swaps: readonly string[];
  /** The control group of wdockd, or one above it, forbids swap (memory.swap.max is 0). */
  readonly swapForbidden: boolean;
  /** Soft limit of a core dump, bytes. */
  readonly coreLimit: number;
  /** kernel.core_pattern: a file, or after `|` a program. */
  readonly corePattern: string;
}

export interface MemoryLeak {
  readonly why: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Why the memory of a VM on this device may come to a disk; empty where it does not. */
export function judgeHostMemory(facts: HostMemoryFacts): MemoryLeak[] {
  const leaks: MemoryLeak[] = [];
  if (facts.swaps.length > 0 && !facts.swapForbidden) {
    leaks.push({
      why: `it may be swapped to ${facts.swaps.join(', ')}`,
      remedy: 'give wdockd.service MemorySwapMax=0, as the package does, or turn swap off',
    });
  }
  const { coreLimit: limit, corePattern } = facts;
  // A program is started with a limit of 0, too (core(5)); systemd's then keeps nothing.
  const heedsZero = !corePattern.startsWith('|') || /^\|\S*\/systemd-coredump\s/.test(corePattern);
  if (limit > 1 || (limit === 0 && !heedsZero)) {
    leaks.push({
      why: 'a crash writes it to a core dump',
      remedy: 'give wdockd.service LimitCORE=1, as the package does, or install prlimit (util-linux)',
    });
  }
  return leaks;
}

/** The swap areas of /proc/swaps (proc_swaps(5)): a line of headings, then one a line, spaces in names as \040. */
export function parseSwaps(text: string): string[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => line.split(/\s+/)[0] || []);
}

/** The soft limit of core dumps in /proc/PID/limits, bytes; Infinity for `unlimited`, or where it is not there. */
export function parseCoreLimit(text: string): number {
  const soft = /^Max core file size\s+(\S+)/m.exec(text)?.[1];
  return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

/** Where a process is in the unified hierarchy (cgroups(7)), and all groups above it, from /proc/PID/cgroup. */
export function parseControlGroups(text: string): string[] {
  const path = /^0::(\/.*)$/m.exec(text)?.[1];
  if (path === undefined) return [];
  const words = path.split('/').filter((word) => word !== '');
  return words.map((_, at) => `/${words.slice(0, at + 1).join('/')}`);
}
