/** Bytes beyond what is on the way anyway: so long may they wait somewhere before the link, ms. */
const queueMs = 60;
/** One measurement, ms; the best of the last few counts, for most of the time there may be little to send. */
const sampleMs = 100;
const samples = 10;
const smallestBytes = 192 * 1024;
const largestBytes = 16 * 1024 * 1024;

/**
 * How much may be on the way at once: what the link carries in its round trip and a moment more, so that it is never
 * idle, and what QEMU has written is over there a moment later. The rate is measured by what is acknowledged; where the
 * window itself holds the rate down, each measurement allows more. Times are of any clock that only grows, ms.
 */
export class LinkRate {
  #roundTripMs = Number.POSITIVE_INFINITY;
  readonly #rates: number[] = [];
  #since: number | undefined;
  #bytes = 0;

  /** What the link carries, bytes a second; undefined until that has been seen. */
  get bytesPerS(): number | undefined {
    return this.#rates.length === 0 ? undefined : Math.max(...this.#rates) * 1000;
  }

  get windowBytes(): number {
    const rate = Math.max(0, ...this.#rates);
    const roundTripMs = Number.isFinite(this.#roundTripMs) ? this.#roundTripMs : 0;
    return Math.min(largestBytes, Math.max(smallestBytes, rate * (roundTripMs + queueMs)));
  }

  /** So many bytes, sent then, have arrived. */
  acknowledged(bytes: number, sentAt: number, now: number): void {
    this.#roundTripMs = Math.min(this.#roundTripMs, now - sentAt);
    this.#since ??= sentAt;
    this.#bytes += bytes;
    const spanMs = now - this.#since;
    if (spanMs < sampleMs) return;
    this.#rates.push(this.#bytes / spanMs);
    if (this.#rates.length > samples) this.#rates.shift();
    this.#since = now;
    this.#bytes = 0;
  }

  /** Nothing is on the way: the time until there is does not count. */
  idle(): void {
    this.#since = undefined;
    this.#bytes = 0;
  }
}
