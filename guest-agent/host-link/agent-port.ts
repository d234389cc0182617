import { watch } from 'node:fs';
import { access, constants, type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DockError } from '../../protocol/dock-error.ts';
import { retryDelayMs, sleep } from '../retry-delay.ts';
import { untilAborted } from '../until-aborted.ts';

export interface PortListener {
  /** The port was opened, or its other end was away and may be back: what to say first. */
  greet(): Uint8Array;
  receive(bytes: Uint8Array): void;
  /** The other end has gone: what was begun will not be finished. */
  ended(): void;
}

const readBytes = 16 * 1024;
const maxQueuedBytes = 1024 * 1024;

/**
 * The guest's end of a virtio-serial port (Linux drivers/char/virtio_console.c). Its reads block while the host's end
 * is connected and return nothing at once while it is not; its writes block until it is connected. So an end of file
 * is answered with a greeting: when that write is done, the host is there again, and no timer is needed to find out.
 *
 * Reads and writes block a thread of libuv's pool each (of four), which is why a second file object, or a stream
 * that is destroyed, is never used: destroying loses the next message. For the same reason a process that ends
 * has to do so by a signal: exit() waits for threads that will not return.
 */
export class AgentPort {
  readonly #path: string;
  readonly #listener: PortListener;
  readonly #note: (text: string) => void;
  #handle: FileHandle | undefined;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;
  /** Why the last write to the open port failed. */
  #writeFailure: DockError | undefined;

  constructor(path: string, listener: PortListener, note: (text: string) => void) {
    this.#path = path;
    this.#listener = listener;
    this.#note = note;
  }

  /** Queues a frame. Where the host does not read, the oldest frames are dropped: they are of a session that is over. */
  send(frame: Uint8Array): void {
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    while (this.#queuedBytes > maxQueuedBytes && this.#queue.length > 1)
      this.#queuedBytes -= this.#queue.shift()?.length ?? 0;
    this.#write();
  }

  /**
   * Keeps the port open until the signal is aborted; waits for it to appear, opens it again after errors. A read
   * or write that is under way then goes on for as long as the process lives.
   */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#keepOpen(signal), untilAborted(signal)]);
  }

  async #keepOpen(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await this.#appeared(signal);
        // A terminal that stands in for the port in a test must not become the controlling one.
        this.#handle = await open(this.#path, constants.O_RDWR | constants.O_NOCTTY);
        this.#writeFailure = undefined;
        this.send(this.#listener.greet());
        await this.#readAll(this.#handle, signal, () => {
          attempt = 0;
        });
      } catch (error) {
        if (signal.aborted) break;
        if (attempt === 0)
          this.#note(`${this.#path}: ${DockError.from(error, 'io').message}; opening it again`);
      }
      this.#drop();
      const handle = this.#handle;
      this.#handle = undefined;
      await handle?.close().catch(() => {});
      await sleep(retryDelayMs(attempt), signal).catch(() => {});
    }
  }

  async #readAll(handle: FileHandle, signal: AbortSignal, alive: () => void): Promise<void> {
    const buffer = new Uint8Array(readBytes);
    while (!signal.aborted) {
      const { bytesRead } = await handle.read(buffer, 0, readBytes, null);
      if (bytesRead > 0) {
        alive();
        this.#listener.receive(buffer.slice(0, bytesRead));
        continue;
      }
      this.#drop();
      this.send(this.#listener.greet());
      await this.#writing;
      // A device that is gone for good may end every read and refuse every write.
      if (this.#writeFailure !== undefined) throw this.#writeFailure;
      // For the host that closes its end again and again.
      await sleep(retryDelayMs(0), signal);
    }
  }

  #drop(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#listener.ended();
  }

  #write(): void {
    if (this.#writing !== undefined || this.#handle === undefined || this.#writeFailure !== undefined) return;
    const handle = this.#handle;
    this.#writing = this.#writeQueue(handle).finally(() => {
      this.#writing = undefined;
      if (this.#queue.length > 0 && this.#writeFailure === undefined) this.#write();
    });
  }

  async #writeQueue(handle: FileHandle): Promise<void> {
    // Not to a handle that has been replaced: what is queued now is for the new one.
    while (this.#handle === handle) {
      const frame = this.#queue.shift();
      if (frame === undefined) return;
      this.#queuedBytes -= frame.length;
      try {
        for (let at = 0; at < frame.length; ) at += await writeSome(handle, frame.subarray(at));
      } catch (error) {
        if (this.#handle === handle) this.#writeFailure = DockError.from(error, 'io');
        return;
      }
    }
  }

  /** Resolves when the device node is there; told by inotify on the nearest folder that exists. */
  async #appeared(signal: AbortSignal): Promise<void> {
    while (!(await exists(this.#path))) {
      let folder = dirname(this.#path);
      while (!(await exists(folder))) folder = dirname(folder);
      await new Promise<void>((resolve, reject) => {
        const watcher = watch(folder, { signal }, () => watcher.close());
        watcher.once('close', resolve);
        watcher.once('error', reject);
        // It may have come between the look and the watch.
        void exists(this.#path).then((there) => there && watcher.close());
      });
      if (signal.aborted) throw DockError.from(signal.reason, 'cancelled');
    }
  }
}

/** Returns how much was written; 0, after a while, where the kernel has no memory for it now. */
async function writeSome(handle: FileHandle, bytes: Uint8Array): Promise<number> {
  try {
    return (await handle.write(bytes, 0, bytes.length, null)).bytesWritten;
  } catch (error) {
    if (!['ENOMEM', 'EAGAIN', 'EINTR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await new Promise((resolve) => setTimeout(resolve, retryDelayMs(0)));
    return 0;
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
