import { hashBytes, pageBytes } from '../page-list.ts';
import type { ReceivingSource, SourceFacts } from '../page-source.ts';
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

  /** As a source of the page exchange. Its reads throw `cancelled` after it was disposed. */
  asSource(facts: SourceFacts): ReceivingSource {
    return {
      ...facts,
      read: async (indices) => await this.read(indices),
      readInto: async (indices, room, slots) =>
        await this.#thread.do({ job: 'read-into', indices, room, slots }),
    };
  }

  /** By their places in the list; undefined for what is missing or damaged. Throws `cancelled` after it was disposed. */
  async read(indices: Uint32Array): Promise<(Uint8Array | undefined)[]> {
    const room = {
      pages: new SharedArrayBuffer(indices.length * pageBytes),
      hashes: new SharedArrayBuffer(indices.length * hashBytes),
    };
    const slots = Uint16Array.from(indices, (_index, place) => place);
    const there = await this.#thread.do({ job: 'read-into', indices, room, slots });
    return Array.from(there, (is, place) =>
      is === 1 ? new Uint8Array(room.pages, place * pageBytes, pageBytes) : undefined,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread[Symbol.asyncDispose]();
  }
}
