import { run } from '../system/process/run.ts';

/** Changing a group takes no time, ms. */
const limitMs = 10_000;

/**
 * Gives a file or folder of this process's user a group that this process is not in. The owner may do so as a member of that
 * group, which setpriv(1) makes chgrp(1); CAP_CHOWN, with which any file could be given to anybody, is not needed.
 */
export async function giveToGroup(path: string, group: number, signal: AbortSignal): Promise<void> {
  const argv = ['setpriv', `--groups=${group}`, '--', 'chgrp', '--no-dereference', String(group), path];
  await run(argv, { timeoutMs: limitMs, signal });
}
