import { DockError } from '../../protocol/dock-error.ts';
import type { ServedCall } from './served-call.ts';

/** Calls of one caller that are kept at a time: those that run, and the answers of those that ran. */
const maxCalls = 256;

/** What a call asks for: a name that its caller made for it, at random, and of which method it is. */
export interface KeptRequest {
  readonly key: string;
  readonly method: string;
}

/**
 * The calls of one caller that outlast its connection: whoever asks for one again, by its key, over another connection
 * gets its progress and its answer; it is not made a second time. For as long as this process lives, which is what the
 * caller has to make sure of.
 */
export class KeptCalls {
  readonly #calls = new Map<string, ServedCall>();

  /**
   * The call of that key, or the one that `start` makes.
   * @throws DockError `conflict` when too many run already, or the key is that of another method
   */
  take({ key, method }: KeptRequest, start: () => ServedCall): ServedCall {
    const known = this.#calls.get(key);
    if (known !== undefined) {
      if (known.method === method) return known;
      throw new DockError('conflict', `the key of this call is that of a call of ${known.method}`);
    }
    this.#makeRoom();
    const call = start();
    this.#calls.set(key, call);
    call.onForgotten = () => this.#calls.delete(key);
    return call;
  }

  /** Nobody will ask again: what does not outlive its caller is aborted, and no answer is kept. */
  forget(): void {
    for (const call of this.#calls.values()) call.forget();
  }

  #makeRoom(): void {
    if (this.#calls.size < maxCalls) return;
    const ended = [...this.#calls.values()].find((call) => call.over);
    if (ended === undefined)
      throw new DockError('conflict', `${maxCalls} calls of this device run already; wait for one of them`);
    ended.forget();
  }
}
