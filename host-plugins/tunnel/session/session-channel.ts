import { Duplex } from 'node:stream';
import { DockError, type DockErrorData } from '../../../protocol/dock-error.ts';

/** The session's side of a channel: what the stream tells it. */
export interface ChannelPort {
  /** False: more after `relieved`. */
  write(chunk: Uint8Array): boolean;
  end(): void;
  reset(error: DockErrorData): void;
  consumed(bytes: number): void;
}

/** Read ahead of whoever reads; what is beyond waits in the credit that the other end does not get, bytes. */
const readAheadBytes = 128 * 1024;

/**
 * The stream of a channel. What is written is kept until the other end has it, and must not be changed afterwards.
 * `finish` says that the other end has everything, not only that it was sent. Destroying it breaks the channel for the other
 * end, too.
 */
export class SessionChannel extends Duplex {
  readonly #port: ChannelPort;
  #inbox: Uint8Array[] = [];
  #wanted = false;
  #ended = false;
  #onRelief: (() => void) | undefined;
  #onFinished: (() => void) | undefined;
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor(port: ChannelPort) {
    super({ allowHalfOpen: true, readableHighWaterMark: readAheadBytes });
    this.#port = port;
    // whoever uses the stream has listeners of their own; before and after them an error must not end the process
    this.on('error', () => undefined);
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  arrived(pieces: readonly Uint8Array[]): void {
    if (this.destroyed) return;
    for (const piece of pieces) {
      this.#receivedBytes += piece.length;
      this.#inbox.push(piece);
    }
    this.#feed();
  }

  ended(): void {
    this.#ended = true;
    this.#feed();
  }

  relieved(): void {
    const onRelief = this.#onRelief;
    this.#onRelief = undefined;
    onRelief?.();
  }

  finished(): void {
    const onFinished = this.#onFinished;
    this.#onFinished = undefined;
    onFinished?.();
  }

  override _read(): void {
    this.#wanted = true;
    this.#feed();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#sentBytes += chunk.length;
    if (this.#port.write(chunk)) callback();
    else this.#onRelief = callback;
  }

  override _writev(chunks: { chunk: unknown }[], callback: () => void): void {
    let room = true;
    for (const { chunk } of chunks) {
      const bytes = chunk as Buffer; // the stream makes buffers of strings
      this.#sentBytes += bytes.length;
      room = this.#port.write(bytes);
    }
    if (room) callback();
    else this.#onRelief = callback;
  }

  override _final(callback: () => void): void {
    this.#onFinished = callback;
    this.#port.end();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#inbox = [];
    const why = error === null ? new DockError('peer-gone', 'it was closed') : DockError.from(error, 'io');
    this.#port.reset(why.toData());
    this.relieved();
    this.finished();
    callback(error);
  }

  #feed(): void {
    let bytes = 0;
    while (this.#wanted && !this.destroyed) {
      const piece = this.#inbox.shift();
      if (piece === undefined) break;
      bytes += piece.length;
      this.#wanted = false; // the reader may ask for more while it is given this
      if (this.push(piece)) this.#wanted = true;
    }
    if (bytes > 0) this.#port.consumed(bytes);
    if (this.#ended && this.#inbox.length === 0 && !this.destroyed) {
      this.#ended = false;
      this.push(null);
    }
  }
}
