import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** By path: the end of what is being written to it. */
const underWay = new Map<string, Promise<void>>();

/**
 * Writes a whole file so that after any crash there is the old content or the new, never a part: temporary
 * name, fsync, rename, fsync of the folder. Readable by the owner only. Of several calls for one file, the last one stays.
 */
export async function writeFileDurably(path: string, content: string | Uint8Array): Promise<void> {
  const file = resolve(path);
  const written = (underWay.get(file) ?? Promise.resolve()).then(() => writeAlone(file, content));
  const over = written.catch(() => undefined); // its caller sees the error
  underWay.set(file, over);
  try {
    await written;
  } finally {
    if (underWay.get(file) === over) underWay.delete(file);
  }
}

async function writeAlone(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.new`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Makes a rename in this folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
