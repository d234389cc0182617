/** The longest time between two signs of life, measured by whoever listens for them. Times in milliseconds. */
export class Silence {
  #lastMs: number;
  #longestMs = 0;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  heard(nowMs: number): void {
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  /** Starts a measurement; what was before does not count, also not of a silence that is under way. */
  mark(nowMs: number): void {
    this.#lastMs = nowMs;
    this.#longestMs = 0;
  }

  /** A silence that still lasts counts up to now. */
  longestMs(nowMs: number): number {
    return Math.max(this.#longestMs, nowMs - this.#lastMs);
  }
}
