import type { Duplex } from 'node:stream';
import type { PageJourney } from '../../protocol/page-exchange.ts';
import { type LinkReading, PageSender } from './exchange/page-sender.ts';
import type { PageTable } from './exchange/page-table.ts';
import type { SendingSource } from './page-source.ts';
import { IdleShare } from './work/idle-share.ts';
import { PageWorkers } from './work/page-workers.ts';

/** How much went over the channel, and how. */
export interface Departed {
  readonly wireBytes: number;
  readonly pages: PageJourney;
}

/** The source's end of the exchange in one move: what joins QEMU's connection with the memory channel. */
export class DepartingPages implements AsyncDisposable {
  readonly #sources: readonly SendingSource[];
  readonly #workers = new PageWorkers();
  #sender: PageSender | undefined;

  readonly #idleShare: () => number | undefined;

  /**
   * @param sources as agreed on with the target, in this order
   * @param idleShare of the time of this computer's processors since it was asked last, what nobody used
   */
  constructor(sources: readonly SendingSource[], idleShare?: () => number | undefined) {
    this.#sources = sources;
    const processors = new IdleShare();
    this.#idleShare = idleShare ?? (() => processors.look());
  }

  /** For `ForwardOptions.join`. */
  readonly join = async (qemu: Duplex, channel: Duplex, signal: AbortSignal): Promise<void> => {
    this.#sender = await PageSender.create({
      qemu,
      channel,
      workers: this.#workers,
      sources: this.#sources,
      idleShare: this.#idleShare,
    });
    await this.#sender.run(signal);
  };

  /** What the target holds too, once it has all; undefined before anything has gone. */
  get table(): PageTable | undefined {
    return this.#sender?.table;
  }

  /** Undefined before QEMU has connected. */
  get link(): LinkReading | undefined {
    return this.#sender?.link;
  }

  get departed(): Departed {
    const statistics = this.#sender?.statistics;
    if (statistics === undefined)
      return { wireBytes: 0, pages: { zero: 0, new: 0, repeated: 0, referenced: [] } };
    const { wireBytes, pages } = statistics;
    const referenced = this.#sources.map(({ kind }, i) => ({ kind, pages: pages.referenced[i] ?? 0 }));
    return { wireBytes, pages: { ...pages, referenced } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workers[Symbol.asyncDispose]();
  }
}
