// The thread that hashes the blocks of an image, below everything else that this computer has to do.
import { hash } from 'node:crypto';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { DockError } from '../../../protocol/dock-error.ts';
import { pageBytes } from '../page-list.ts';
import { BegunBlockList, writeBlockList } from './block-list-file.ts';
import type { ImageIdentity } from './image-identity.ts';
import { NbdClient } from './nbd-client.ts';
import { exportName } from './serve-image.ts';

/** Read at a time; one such read is under way while the one before is hashed. */
const stepBytes = 1024 * 1024;
const zeros = Buffer.alloc(pageBytes);

const { image, socket, path } = workerData as { image: ImageIdentity; socket: string; path: string };

try {
  setPriority(0, 19); // Linux: of this thread alone (setpriority(2))
} catch {
  // a service may not be allowed to; then it takes its share
}

try {
  await hashImage();
  parentPort?.postMessage({});
} catch (error) {
  parentPort?.postMessage({ error: DockError.from(error).toData() });
}

async function hashImage(): Promise<void> {
  using client = await NbdClient.connect(socket, exportName, new AbortController().signal);
  const bytes = Math.floor(client.bytes / pageBytes) * pageBytes; // a guest's page cannot be a part of a block
  using begun = BegunBlockList.open(path, image, bytes);
  const read = (at: number) =>
    at < bytes ? client.read(at, Math.min(stepBytes, bytes - at)) : Promise.resolve(Buffer.alloc(0));
  let coming = read(begun.next * pageBytes);
  for (let at = begun.next * pageBytes; at < bytes; at += stepBytes) {
    const content = await coming;
    coming = read(at + stepBytes);
    coming.catch(() => undefined); // awaited in the next round
    begun.append(blocksOf(content, at / pageBytes));
  }
  await writeBlockList(path, image, begun.list());
}

function blocksOf(content: Buffer, first: number): { index: number; hash: Buffer }[] {
  const blocks: { index: number; hash: Buffer }[] = [];
  for (let at = 0; at < content.length; at += pageBytes) {
    const block = content.subarray(at, at + pageBytes);
    if (!block.equals(zeros))
      blocks.push({ index: first + at / pageBytes, hash: hash('sha256', block, 'buffer') });
  }
  return blocks;
}
