import { rm } from 'node:fs/promises';
import { runCommand } from '../run-command.ts';

/** Cleanup does not wait longer than this, ms. */
const limitMs = 60_000;

/**
 * Removes a folder with all that is in it. What a build of an ordinary user has left belongs in part to that user's
 * further ids (subuid(5)); then it is removed by the root of a user namespace that has them.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (process.geteuid?.() === 0) throw error;
    const enter = ['unshare', '--user', '--map-root-user', '--map-auto', '--'];
    await runCommand([...enter, 'rm', '-rf', path], {}, AbortSignal.timeout(limitMs));
  }
}
