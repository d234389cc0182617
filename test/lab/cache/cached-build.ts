import { mkdir, readdir, rename, stat, statfs, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { DockError } from '../../../protocol/dock-error.ts';
import { BuildLock } from './build-lock.ts';
import { removeTree } from './remove-tree.ts';

export interface CachedBuild {
  /** What is built, in words, for messages: `the guest's disk image`. */
  title: string;
  /** The folder below the cache where all versions of it stand, e.g. `image`. */
  kind: string;
  key: string;
  /** Free space the build needs while it works; checked before it starts. */
  neededMiB: number;
  /** Fills the folder. What it leaves there when it fails is removed. */
  build(folder: string, signal: AbortSignal): Promise<void>;
}

export type Progress = (message: string) => void;

/** How many versions stay, the newest used first: this checkout's, and the one before it. */
const keptVersions = 3;

/**
 * Returns the folder that holds the result, building it first where it is missing. Several processes may ask at once:
 * one builds, the others wait for it. A build that is killed leaves nothing that is taken for a result.
 * @throws DockError `io` where the disk is too full; whatever the build throws
 */
export async function cachedBuild(
  build: CachedBuild,
  cache: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<string> {
  const shelf = join(cache, build.kind);
  const result = join(shelf, build.key);
  if (await exists(result)) return markUsed(result);

  await mkdir(shelf, { recursive: true });
  await using _lock = await BuildLock.acquire(
    join(shelf, '.lock'),
    () => progress(`another process is building ${build.title}; waiting for it`),
    signal,
  );
  if (await exists(result)) return await markUsed(result);

  // Only the holder of the lock has unfinished folders, so any that are here belong to the dead.
  await removeUnfinished(shelf);
  await makeRoom(shelf, build.neededMiB);
  await checkSpace(shelf, build);
  const unfinished = join(shelf, `${unfinishedPrefix}${build.key}`);
  await mkdir(unfinished);
  try {
    progress(`building ${build.title}`);
    await build.build(unfinished, signal);
    await rename(unfinished, result);
  } catch (error) {
    await removeTree(unfinished);
    throw await explainFullDisk(error, shelf, build);
  }
  await prune(shelf, keptVersions);
  return result;
}

const unfinishedPrefix = 'unfinished-';

async function removeUnfinished(shelf: string): Promise<void> {
  for (const name of await readdir(shelf)) {
    if (name.startsWith(unfinishedPrefix)) await removeTree(join(shelf, name));
  }
}

/** Removes all but the `kept` versions used last. */
async function prune(shelf: string, kept: number): Promise<void> {
  const versions = [];
  for (const entry of await readdir(shelf, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith(unfinishedPrefix)) continue;
    const path = join(shelf, entry.name);
    versions.push({ path, usedMs: (await stat(path)).mtimeMs });
  }
  versions.sort((left, right) => right.usedMs - left.usedMs);
  for (const { path } of versions.slice(kept)) await removeTree(path);
}

async function makeRoom(shelf: string, neededMiB: number): Promise<void> {
  if ((await freeMiB(shelf)) < neededMiB) await prune(shelf, 0);
}

async function checkSpace(shelf: string, build: CachedBuild): Promise<void> {
  const free = await freeMiB(shelf);
  if (free >= build.neededMiB) return;
  throw new DockError(
    'io',
    `${build.title} needs ${build.neededMiB} MiB in ${shelf}, which has ${free} MiB free; make room, or set WDOCK_CACHE to a folder on another disk`,
    { detail: { neededMiB: build.neededMiB, freeMiB: free } },
  );
}

async function explainFullDisk(error: unknown, shelf: string, build: CachedBuild): Promise<unknown> {
  const text = error instanceof Error ? `${error.message} ${'code' in error ? error.code : ''}` : '';
  if (!/ENOSPC|No space left on device/i.test(text)) return error;
  return new DockError(
    'io',
    `the disk under ${shelf} filled up while building ${build.title} (${await freeMiB(shelf)} MiB free now); make room, or set WDOCK_CACHE to a folder on another disk`,
    { cause: error },
  );
}

async function freeMiB(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.floor((bavail * bsize) / (1024 * 1024));
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The date of the folder says when it was used last; pruning goes by it. */
async function markUsed(folder: string): Promise<string> {
  const now = new Date();
  await utimes(folder, now, now);
  return folder;
}
