import { once } from 'node:events';
import { DockError } from '../../protocol/dock-error.ts';
import { readStream } from '../suspend/image-reader.ts';
import type { FoundImage } from '../suspend/suspended-folder.ts';
import { connectUnixSocket } from '../tunnel/unix-socket.ts';
import type { BringState } from './arrival.ts';
import type { Say } from './stage-clock.ts';

export interface ImageBringer {
  readonly bring: BringState;
  /** What kept it from being brought, as far as that is known. */
  readonly error: DockError | undefined;
}

/**
 * Brings a machine's state from its image to the QEMU that waits for it. Where anything is not as it was written the
 * connection is cut before the last piece, so that QEMU has never all of it.
 */
export function imageBringer(
  image: FoundImage,
  explain: (error: DockError) => DockError,
  say: Say,
): ImageBringer {
  let error: DockError | undefined;
  const bring: BringState = (path) => {
    const closing = new AbortController();
    bringTo(path, image, say, closing.signal).catch((thrown: unknown) => {
      if (!closing.signal.aborted) error = explain(DockError.from(thrown, 'io'));
    });
    return {
      [Symbol.dispose]: () => closing.abort(new DockError('cancelled', 'the state is not wanted any more')),
    };
  };
  return {
    bring,
    get error() {
      return error;
    },
  };
}

async function bringTo(path: string, image: FoundImage, say: Say, signal: AbortSignal): Promise<void> {
  const socket = await connectUnixSocket(path, signal);
  socket.on('error', () => undefined); // QEMU's migration says it
  socket.resume();
  const cut = (): void => void socket.destroy();
  signal.addEventListener('abort', cut, { once: true });
  let sent = 0;
  try {
    for await (const piece of readStream(image.files, image.head)) {
      if (socket.destroyed) throw new DockError('qemu-refused', 'QEMU did not take all of it');
      if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
      sent += piece.length;
      say('reading it from the directory', sent / image.head.stream.bytes);
    }
    socket.end();
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', cut);
  }
}
