import { pageBytes } from '../page-list.ts';
import type { ImageFacts, ImagePlace } from './store-jobs.ts';
import { StoreThread } from './store-thread.ts';

/** An image to read pages from, in a thread of its own. */
export class OpenImage implements AsyncDisposable {
  readonly facts: ImageFacts;
  readonly #thread: StoreThread;

  private constructor(facts: ImageFacts, thread: StoreThread) {
    this.facts = facts;
    this.#thread = thread;
  }

  /** Undefined where there is none. Throws `untrusted`, `protocol` or `io` for one that cannot be used. */
  static async open(key: Buffer, place: ImagePlace): Promise<OpenImage | undefined> {
    await using guard = new AsyncDisposableStack();
    const thread = guard.use(new StoreThread(key, { urgent: true }));
    const facts = await thread.do({ job: 'open', place });
    if (facts === undefined) return undefined;
    guard.move();
    return new OpenImage(facts, thread);
  }

  /** By their places in the list; undefined for what is missing or damaged. Throws `cancelled` after it was disposed. */
  async read(indices: Uint32Array): Promise<(Uint8Array | undefined)[]> {
    const { pages, there } = await this.#thread.do({ job: 'read', indices });
    return Array.from(there, (is, place) =>
      is === 1 ? pages.subarray(place * pageBytes, (place + 1) * pageBytes) : undefined,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread[Symbol.asyncDispose]();
  }
}
