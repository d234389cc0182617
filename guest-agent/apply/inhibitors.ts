/** An application that asked to be heard before a move: it holds the move up until it lets go. */
export interface Inhibitor {
  readonly cookie: number;
  /** Unique bus name of the holder. */
  readonly holder: string;
  readonly who: string;
  readonly why: string;
}

const maxPerHolder = 16;
const maxInAll = 256;
const maxTextLength = 200;

/** The inhibitors that are held. No process of the guest can hold more than a few, or for longer than it lives. */
export class Inhibitors {
  readonly #held = new Map<number, Inhibitor>();
  #lastCookie = 0;

  /** The cookie that releases it; undefined when this holder, or all together, hold too many. */
  take(holder: string, who: string, why: string): number | undefined {
    if (this.#held.size >= maxInAll || this.of(holder).length >= maxPerHolder) return undefined;
    this.#lastCookie += 1;
    const cookie = this.#lastCookie;
    this.#held.set(cookie, {
      cookie,
      holder,
      who: who.slice(0, maxTextLength),
      why: why.slice(0, maxTextLength),
    });
    return cookie;
  }

  /** False when this holder holds no such cookie. */
  release(holder: string, cookie: number): boolean {
    return this.#held.get(cookie)?.holder === holder && this.#held.delete(cookie);
  }

  /** Returns whether the holder held any. */
  releaseAll(holder: string): boolean {
    const held = this.of(holder);
    for (const { cookie } of held) this.#held.delete(cookie);
    return held.length > 0;
  }

  of(holder: string): Inhibitor[] {
    return this.all().filter((one) => one.holder === holder);
  }

  all(): Inhibitor[] {
    return [...this.#held.values()];
  }
}
