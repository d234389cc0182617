import type { Duplex } from 'node:stream';
import { DockError } from '../../../protocol/dock-error.ts';

export interface PairHandlers {
  fromQemu(chunk: Buffer): void;
  /** QEMU will write no more. */
  qemuEnded(): void;
  fromChannel(chunk: Buffer): void;
  channelEnded(): void;
}

/**
 * The two streams of one end of the exchange, and what becomes of them: whatever throws in a handler or in `guard`, or
 * an error of either stream, destroys both, and `run` rejects with the first of it.
 */
export class StreamPair {
  readonly #qemu: Duplex;
  readonly #channel: Duplex;
  readonly #handlers: PairHandlers;
  readonly #over = Promise.withResolvers<void>();
  #hasFailed = false;
  /** Of the four directions, those that have not ended. */
  readonly #open = new Set(['from-qemu', 'to-qemu', 'from-channel', 'to-channel']);
  #held = false;
  #channelIsFull = false;

  constructor(qemu: Duplex, channel: Duplex, handlers: PairHandlers) {
    this.#qemu = qemu;
    this.#channel = channel;
    this.#handlers = handlers;
  }

  /** Resolves when both streams have ended in both directions. On abort both are destroyed. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = () => this.fail(DockError.from(signal.reason, 'cancelled'));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    this.#listen(this.#qemu, 'qemu', this.#handlers.fromQemu, this.#handlers.qemuEnded);
    this.#listen(this.#channel, 'channel', this.#handlers.fromChannel, this.#handlers.channelEnded);
    this.#channel.on('drain', () => {
      this.#channelIsFull = false;
      this.#regulate();
    });
    this.#qemu.on('drain', () => this.#channel.resume());
    // Connections may come paused.
    this.#channel.resume();
    this.#regulate();
    try {
      await this.#over.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Whether what QEMU writes may come. */
  holdQemu(held: boolean): void {
    this.#held = held;
    this.#regulate();
  }

  /** The channel takes it all; while it is full, QEMU is not read. */
  toChannel(bytes: Uint8Array): void {
    if (this.#channel.write(bytes)) return;
    this.#channelIsFull = true;
    this.#regulate();
  }

  /** QEMU takes it all; while it is full, the channel is not read. `onTaken`: the kernel has it. */
  toQemu(bytes: Uint8Array, onTaken?: () => void): void {
    const taken = this.#qemu.write(bytes, (error) => {
      if (error === null || error === undefined) this.#try(() => onTaken?.());
    });
    if (!taken) this.#channel.pause();
  }

  endQemu(): void {
    this.#qemu.end();
    this.#ended('to-qemu');
  }

  endChannel(): void {
    this.#channel.end();
    this.#ended('to-channel');
  }

  /** Waits for nobody: when it rejects, all of it fails. */
  guard(work: Promise<void>): void {
    work.catch((error: unknown) => this.fail(error));
  }

  fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#qemu.destroy();
    this.#channel.destroy();
    this.#over.reject(DockError.from(error));
  }

  #listen(
    stream: Duplex,
    name: 'qemu' | 'channel',
    onData: (chunk: Buffer) => void,
    onEnd: () => void,
  ): void {
    stream.on('data', (chunk: Buffer) => this.#try(() => onData(chunk)));
    stream.on('end', () => {
      this.#try(onEnd);
      this.#ended(`from-${name}`);
    });
    stream.on('error', (error) => this.fail(DockError.from(error, 'peer-gone')));
    stream.on('close', () => {
      if (!this.#open.has(`from-${name}`) && !this.#open.has(`to-${name}`)) return;
      const whose = name === 'qemu' ? 'QEMU' : 'the other device';
      this.fail(new DockError('peer-gone', `the connection to ${whose} closed within the move`));
    });
  }

  #try(action: () => void): void {
    if (this.#hasFailed) return;
    try {
      action();
    } catch (error) {
      this.fail(error);
    }
  }

  #ended(direction: string): void {
    this.#open.delete(direction);
    if (this.#open.size === 0) this.#over.resolve();
  }

  #regulate(): void {
    if (this.#held || this.#channelIsFull) this.#qemu.pause();
    else this.#qemu.resume();
  }
}
