import { type Duplex, duplexPair } from 'node:stream';
import { PageReceiver } from './exchange/page-receiver.ts';
import type { PageTable } from './exchange/page-table.ts';
import type { ReceivingSource } from './page-source.ts';
import { PageWorkers } from './work/page-workers.ts';

/** The target's end of the exchange in one move. */
export class ArrivingPages implements AsyncDisposable {
  readonly #sources: readonly ReceivingSource[];
  readonly #workers = new PageWorkers();
  #receiver: PageReceiver | undefined;

  /** @param sources as agreed on with the source, in this order */
  constructor(sources: readonly ReceivingSource[]) {
    this.#sources = sources;
  }

  /**
   * What the memory channel is to be joined with, in QEMU's place. When the exchange fails, both streams are destroyed,
   * and `onFailure` is told why.
   */
  join(qemu: Duplex, onFailure: (error: unknown) => void, signal: AbortSignal): Duplex {
    const [outer, inner] = duplexPair();
    outer.on('error', () => undefined).once('close', () => inner.destroy());
    this.#receiver = new PageReceiver({
      qemu,
      channel: inner,
      workers: this.#workers,
      sources: this.#sources,
    });
    this.#receiver.run(signal).catch((error: unknown) => {
      outer.destroy();
      onFailure(error);
    });
    return outer;
  }

  /** What has come; as the source's once all has. Undefined before anything has. */
  get table(): PageTable | undefined {
    return this.#receiver?.table;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workers[Symbol.asyncDispose]();
  }
}
