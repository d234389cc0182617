/** Lines a minute; the rest is only counted. */
const maxLines = 10;
const windowMs = 60_000;

/**
 * Keeps whoever knocks on the port for devices without pause from pushing everything else out of the log, which is
 * bounded: of more than ten refusals a minute it tells how many there were, with the first one after that minute.
 */
export class RefusalLog {
  readonly #write: (fields: object) => void;
  readonly #now: () => number;
  #windowEnd = -Infinity;
  #lines = 0;
  #unsaid = 0;

  /** `now`: a clock that never goes back, ms. */
  constructor(write: (fields: object) => void, now: () => number = () => performance.now()) {
    this.#write = write;
    this.#now = now;
  }

  add(remoteAddress: string, why: string): void {
    const now = this.#now();
    if (now >= this.#windowEnd) {
      this.#windowEnd = now + windowMs;
      this.#lines = 0;
    }
    if (this.#lines >= maxLines) {
      this.#unsaid++;
      return;
    }
    this.#lines++;
    this.#write({ remoteAddress, why, ...(this.#unsaid === 0 ? {} : { othersBefore: this.#unsaid }) });
    this.#unsaid = 0;
  }
}
