import { type FileHandle, open, readdir } from 'node:fs/promises';
import { pageBytes } from '../../../host-plugins/pages/page-list.ts';

/** Writes into the memory of a machine, as its guest would; QEMU does not notice, but reads it with the next move. */
export async function writeMemoryPages(
  pid: number,
  blockBytes: number,
  pages: ReadonlyMap<number, Buffer>,
): Promise<void> {
  await using file = await memoryFile(pid, blockBytes, 'r+');
  for (const [index, page] of pages) await file.write(page, 0, pageBytes, index * pageBytes);
}

export async function readMemoryPages(
  pid: number,
  blockBytes: number,
  indices: readonly number[],
): Promise<Buffer[]> {
  await using file = await memoryFile(pid, blockBytes, 'r');
  const pages: Buffer[] = [];
  for (const index of indices) {
    const page = Buffer.alloc(pageBytes);
    await file.read(page, 0, pageBytes, index * pageBytes);
    pages.push(page);
  }
  return pages;
}

/** The memory file of that size. */
async function memoryFile(pid: number, bytes: number, flags: 'r' | 'r+'): Promise<FileHandle> {
  for (const number of await readdir(`/proc/${pid}/fd`)) {
    const file = await open(`/proc/${pid}/fd/${number}`, flags).catch(() => undefined);
    if (file === undefined) continue;
    if ((await file.stat()).size === bytes) return file;
    await file.close();
  }
  throw new Error(`the process ${pid} has no memory of ${bytes} bytes`);
}
