/** Exchanges at the same time, of whomever. */
const maxAtOnce = 4;
/** From the end of one exchange of an address to the begin of its next, ms: a flood makes no more work than this. */
const pauseMs = 1_000;

/**
 * How many strangers may try at a time while a code is shown: few, one of each address, and each address after a
 * pause. A flood from many addresses can keep others from pairing; it cannot guess more, nor make this device busy.
 */
export class ExchangeLimits {
  readonly #now: () => number;
  #running = 0;
  /** When each address may begin again, ms; `Infinity` while it is trying. */
  readonly #freeAt = new Map<string, number>();

  /** `now`: a clock that never goes back, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get full(): boolean {
    return this.#running >= maxAtOnce;
  }

  /** Undefined when it has to wait; to be disposed at the end of the exchange. */
  enter(address: string): Disposable | undefined {
    const now = this.#now();
    for (const [other, freeAt] of this.#freeAt) if (freeAt <= now) this.#freeAt.delete(other);
    if (this.full || this.#freeAt.has(address)) return undefined;
    this.#running++;
    this.#freeAt.set(address, Infinity);
    return {
      [Symbol.dispose]: () => {
        this.#running--;
        this.#freeAt.set(address, this.#now() + pauseMs);
      },
    };
  }
}
