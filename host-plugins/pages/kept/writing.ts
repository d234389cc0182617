import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import { stepAside } from '../../system/process/step-aside.ts';
import type { PageList } from '../page-list.ts';
import type { StoreThread } from './store-thread.ts';

/**
 * A later start would find the VM coming back before all is written, ms. To adapt a guest takes some 8 s where processors are
 * emulated, and one that brings up a processor stands still while any of its processors waits for one of the host's.
 */
const longestWaitMs = 15_000;
/** Making the list keeps the main thread busy for some tenths of a second; others go first meanwhile, ms. */
const listMs = 1_000;

export interface WritingParts {
  readonly list: () => Promise<PageList>;
  readonly thread: () => StoreThread;
  readonly write: (thread: StoreThread, list: PageList) => Promise<void>;
  /** The processors are needed for something else until this settles. */
  readonly after: Promise<unknown> | undefined;
}

/** An image that is being written, or will be when there is time for it. */
export class Writing {
  /** Rejects with what went wrong, `cancelled` when it was stopped. */
  readonly over: Promise<void>;
  readonly #hurried = new AbortController();
  readonly #stopped = new AbortController();
  #thread: StoreThread | undefined;

  constructor(parts: WritingParts) {
    this.over = this.#perform(parts);
    this.over.catch(() => undefined); // whoever waits for it sees it
  }

  /** It is waited for: there is no better time. */
  hurry(): void {
    this.#hurried.abort();
  }

  /** Ends it in the middle of whatever it does; it has ended on return. */
  async stop(): Promise<void> {
    this.#stopped.abort(new DockError('cancelled', 'the writing was ended'));
    await this.#thread?.[Symbol.asyncDispose]();
    await this.over.catch(() => undefined);
  }

  async #perform({ list, thread, write, after }: WritingParts): Promise<void> {
    const stopped = this.#stopped.signal;
    let isAwaited = this.#hurried.signal.aborted;
    if (after !== undefined) {
      const signal = AbortSignal.any([this.#hurried.signal, stopped]);
      const limit = delay(longestWaitMs, undefined, { ref: false, signal });
      await Promise.race([after, limit]).catch(() => undefined);
      isAwaited = this.#hurried.signal.aborted;
      this.hurry(); // ends the limit's timer
    }
    stopped.throwIfAborted();
    if (!isAwaited) stepAside(listMs);
    const pages = await list();
    stopped.throwIfAborted();
    await using own = thread();
    this.#thread = own;
    await write(own, pages);
  }
}
