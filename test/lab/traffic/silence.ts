import type { Gap } from '../network/fping-output.ts';

/** The longest time between two signs of life, measured by whoever listens for them. Times in milliseconds since 1970. */
export class Silence {
  #lastMs: number;
  #longest: Gap;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
    this.#longest = { ms: 0, fromMs: nowMs };
  }

  heard(nowMs: number): void {
    this.#longest = this.longest(nowMs);
    this.#lastMs = nowMs;
  }

  /** Starts a measurement; what was before does not count, also not of a silence that is under way. */
  mark(nowMs: number): void {
    this.#lastMs = nowMs;
    this.#longest = { ms: 0, fromMs: nowMs };
  }

  /** A silence that still lasts counts up to now. */
  longest(nowMs: number): Gap {
    const ms = nowMs - this.#lastMs;
    return ms > this.#longest.ms ? { ms, fromMs: this.#lastMs } : this.#longest;
  }
}

/** The time since 1970, which no setting of the clock makes jump. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** As it stands in a report. */
export function describeSilence(gap: Gap) {
  return { longestSilenceMs: Math.round(gap.ms), silentFromMs: Math.round(gap.fromMs) };
}
