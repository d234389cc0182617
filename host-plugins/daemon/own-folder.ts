import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DockError } from '../../protocol/dock-error.ts';

/** What the kernel's short answers mean for a folder or file of wdockd. */
const meanings: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is mounted read-only',
  ENOSPC: 'the file system is full',
  EDQUOT: 'the quota of this user is used up',
  EEXIST: 'something that is no folder has this name',
  ENOTDIR: 'something that is no folder has the name of a part of it',
  EISDIR: 'a folder has this name',
};

/** Why it cannot be made or written, for its user. */
export function whyNotWritable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return meanings[code ?? ''] ?? message;
}

/** Makes a folder that wdockd writes in. Throws `io` with the key of the configuration that chooses it. */
export async function makeOwnFolder(path: string, key: 'stateFolder' | 'runtimeFolder'): Promise<void> {
  try {
    await makeWritable(path);
  } catch (error) {
    throw new DockError(
      'io',
      `the folder ${path} cannot be used: ${whyNotWritable(error)}; mend that, or choose another with \`${key}\` in wdockd.yaml`,
      { cause: error },
    );
  }
}

async function makeWritable(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o750 });
  } catch (error) {
    // Node says ENOENT also where a parent is on a file system that is read-only.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      await access(await nearestThere(path), constants.W_OK);
    throw error;
  }
  await access(path, constants.W_OK | constants.X_OK);
}

async function nearestThere(path: string): Promise<string> {
  const parent = dirname(path);
  if (parent === path) return path;
  return await access(parent).then(
    () => parent,
    async () => await nearestThere(parent),
  );
}
