import type { AgentParams, AgentResult } from '../../protocol/agent-channel.ts';
import { type ColdGroup, shareReclaim } from '../decide/share-reclaim.ts';
import { findBytesAsMiB, findPressureSomeAvg10, hasSwap } from '../observe/parse-kernel-text.ts';
import { readCache } from '../observe/read-memory.ts';
import type { SystemFiles } from '../system-files.ts';

const groupFolder = '/sys/fs/cgroup';
/** Programs wait for memory already: taking more away harms whoever works, per cent of the last ten seconds. */
const pressureLimit = 10;

/**
 * Has the kernel give up clean file pages, in rounds that are short enough to stop after any of them. `memory.reclaim` takes
 * the pages that were used longest ago, and with a swappiness of 0 nothing but file pages. Dropping all that is clean and
 * unmapped is left for a kernel that cannot do that, and only where `orAll`.
 */
export async function trimCache(
  files: SystemFiles,
  { mib, keepMiB, orAll, limitMs }: AgentParams<'trim-cache'>,
  signal: AbortSignal,
): Promise<AgentResult<'trim-cache'>> {
  const deadline = performance.now() + limitMs;
  const problems: string[] = [];
  const cachedMiB = async (): Promise<number> => {
    const { activeMiB = 0, inactiveMiB = 0 } = (await readCache(files)) ?? {};
    return activeMiB + inactiveMiB;
  };
  const before = await cachedMiB();
  const wanted = Math.min(mib, before - keepMiB);
  const reclaimer = new Reclaimer(files);
  let now = before;
  while (before - now < wanted && performance.now() < deadline) {
    signal.throwIfAborted();
    if (!(await reclaimer.round(wanted - (before - now)))) break;
    const last = now;
    now = await cachedMiB();
    if (now >= last) break;
    if (await isShort(files)) {
      problems.push('the guest is short of memory, so no more is taken from it');
      break;
    }
  }
  if (reclaimer.cannot !== undefined) {
    if (orAll && wanted > 0) {
      await files.write('/proc/sys/vm/drop_caches', '1');
      now = await cachedMiB();
    } else {
      problems.push(reclaimer.cannot);
    }
  }
  // QEMU is told of free memory by blocks of 4 MiB; what is free in smaller pieces would travel all the same.
  if (before - now >= 1) await files.write('/proc/sys/vm/compact_memory', '1');
  return { droppedMiB: rounded(before - now), keptMiB: rounded(now), problems };
}

/** Asks the kernel for pages of files and nothing else. */
class Reclaimer {
  readonly #files: SystemFiles;
  readonly #spent = new Set<string>();
  /** Without swap there is nothing but file pages to be had; with it a kernel before 6.9 would swap programs out. */
  #option = ' swappiness=0';
  #cannot: string | undefined;

  constructor(files: SystemFiles) {
    this.#files = files;
  }

  /** Why the kernel cannot be asked; undefined while it can. */
  get cannot(): string | undefined {
    return this.#cannot;
  }

  /** Asks for up to so much, MiB, of what lies cold. False when nothing is left to ask for. */
  async round(mib: number): Promise<boolean> {
    const groups = await readGroups(this.#files);
    if (groups.length === 0) {
      this.#cannot =
        'the kernel of the guest cannot be asked for a part of its page cache (no memory.reclaim)';
    }
    const shares = shareReclaim(
      mib,
      groups.filter(({ name }) => !this.#spent.has(name)),
    );
    for (const share of shares) {
      if (!(await this.#ask(share.name, share.mib))) this.#spent.add(share.name);
      if (this.#cannot !== undefined) return false;
    }
    return shares.length > 0;
  }

  /** False when the group has given what it can: the kernel says so with EAGAIN. */
  async #ask(group: string, mib: number): Promise<boolean> {
    try {
      await this.#files.write(`${groupFolder}/${group}/memory.reclaim`, `${mib}M${this.#option}`);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL' || this.#option === '') return false;
      if (hasSwap((await this.#files.readIfThere('/proc/swaps')) ?? '')) {
        this.#cannot =
          'the kernel of the guest would swap programs out, too, when asked for a part of its page cache';
        return false;
      }
      this.#option = '';
      return await this.#ask(group, mib);
    }
  }
}

/**
 * Groups of the first level that can be asked, by what lies cold in them. What is mapped is left out, wherever it lies: asked
 * for all that is inactive, in rounds that follow each other at once, the kernel takes the code of programs that run every
 * second, and they stand still until it is read again, which after a move is from the other device.
 */
async function readGroups(files: SystemFiles): Promise<ColdGroup[]> {
  const groups: ColdGroup[] = [];
  for (const name of await files.list(groupFolder)) {
    const statistics = await files.readIfThere(`${groupFolder}/${name}/memory.stat`);
    if (statistics === undefined) continue;
    if (!(await files.list(`${groupFolder}/${name}`)).includes('memory.reclaim')) continue;
    const inactive = findBytesAsMiB(statistics, 'inactive_file') ?? 0;
    const dirty =
      (findBytesAsMiB(statistics, 'file_dirty') ?? 0) + (findBytesAsMiB(statistics, 'file_writeback') ?? 0);
    const mapped = findBytesAsMiB(statistics, 'file_mapped') ?? 0;
    groups.push({ name, coldMiB: inactive - dirty - mapped });
  }
  return groups;
}

async function isShort(files: SystemFiles): Promise<boolean> {
  const pressure = findPressureSomeAvg10((await files.readIfThere('/proc/pressure/memory')) ?? '');
  return pressure !== undefined && pressure > pressureLimit;
}

const rounded = (mib: number): number => Math.max(0, Math.round(mib * 10) / 10);
