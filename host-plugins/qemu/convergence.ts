/** How long the VM may stand still at the switch-over. */
export interface DowntimeLimits {
  /** At first, ms. */
  readonly downtimeLimitMs: number;
  /** At most, for a guest that writes about as fast as the link carries, ms. */
  readonly maxDowntimeMs: number;
}

/** A pass that only sends what was written during the one before; until then there is nothing to judge by. */
const firstTellingPass = 3;
/** So long a limit is given to suffice before it is raised, ms; some passes, also on a slow link. */
const patienceMs = 2_000;
const growth = 1.5;

/**
 * A guest that writes about as fast as the link carries would never be sent to its end: each pass leaves as much as
 * the one before it did. So the standstill it takes is accepted step by step, and never more than it takes.
 */
export class Convergence {
  readonly #maxMs: number;
  #limitMs: number;
  #sinceMs: number | undefined;

  constructor({ downtimeLimitMs, maxDowntimeMs }: DowntimeLimits) {
    this.#limitMs = downtimeLimitMs;
    this.#maxMs = Math.max(downtimeLimitMs, maxDowntimeMs);
  }

  /** With each look at the migration: the new limit, ms; undefined where it stays. `atMs`: any clock that only grows. */
  observe(pass: number, atMs: number): number | undefined {
    if (pass < firstTellingPass) return undefined;
    this.#sinceMs ??= atMs;
    if (atMs - this.#sinceMs < patienceMs || this.#limitMs >= this.#maxMs) return undefined;
    this.#sinceMs = atMs;
    this.#limitMs = Math.min(this.#maxMs, Math.round(this.#limitMs * growth));
    return this.#limitMs;
  }
}
