import { copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../cache/cache-folder.ts';

/** Where a wdockd has the lists of the blocks of its base images, in its state folder. */
const listsName = 'base-images';

/**
 * What earlier labs have listed of the guest's image, so that a wdockd need not read all of it again while a test runs. It
 * takes them for what they are: each says of which file it is, and of which state of it.
 */
export async function lendBlockLists(stateFolder: string): Promise<void> {
  const kept = join(cacheFolder(), listsName);
  const lent = join(stateFolder, listsName);
  const names = await readdir(kept).catch(() => []);
  if (names.length > 0) await mkdir(lent, { recursive: true, mode: 0o700 });
  for (const name of names.filter(isWhole)) {
    await copyFile(join(kept, name), join(lent, name)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // a lab of another guest has just put its own in its place
    });
  }
}

/** Keeps the lists of this wdockd for later labs, and no older ones; none of them is what it did not finish. */
export async function keepBlockLists(stateFolder: string): Promise<void> {
  const made = join(stateFolder, listsName);
  const kept = join(cacheFolder(), listsName);
  const names = (await readdir(made).catch(() => [])).filter(isWhole);
  if (names.length === 0) return;
  await mkdir(kept, { recursive: true });
  for (const name of names) {
    // Another lab may be reading it.
    const coming = join(kept, `.${name}.${process.pid}`);
    await copyFile(join(made, name), coming);
    await rename(coming, join(kept, name));
  }
  const old = (await readdir(kept)).filter((name) => isWhole(name) && !names.includes(name));
  for (const name of old) await rm(join(kept, name), { force: true });
}

function isWhole(name: string): boolean {
  return /^[0-9a-f]{32}$/.test(name);
}
