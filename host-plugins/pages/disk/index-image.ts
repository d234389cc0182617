import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { DockError } from '../../../protocol/dock-error.ts';
import { DockErrorShape } from '../../../protocol/dock-error-shape.ts';
import type { ImageIdentity } from './image-identity.ts';
import { ServedImage } from './serve-image.ts';

/**
 * Writes the list of an image's blocks to the file; goes on where an earlier one was ended. Throws `io` when the image
 * cannot be read.
 */
export async function indexImage(
  image: ImageIdentity,
  files: { readonly list: string; readonly socket: string },
  signal: AbortSignal,
): Promise<void> {
  await using served = await ServedImage.start(image, files.socket, { urgent: false }, signal);
  const program = new URL(`./disk-index-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(program, { workerData: { image, socket: served.socket, path: files.list } });
  try {
    const answer = (await once(worker, 'message', { signal })) as [{ error?: unknown }];
    if (answer[0].error === undefined) return;
    const { kind, message } = DockErrorShape.parse(answer[0].error);
    throw new DockError(kind, `the blocks of ${image.path} cannot be listed: ${message}`);
  } finally {
    await worker.terminate();
  }
}
