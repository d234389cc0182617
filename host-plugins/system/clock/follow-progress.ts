import { setTimeout as delay } from 'node:timers/promises';

export interface FollowTiming {
  /** Between two readings. */
  readonly pollMs: number;
  /** Without coming nearer for this long, it has stalled. There is no limit on the whole. */
  readonly stallMs: number;
}

export interface Followed {
  /** Still missing at the end; 0 when it arrived. */
  readonly missing: number;
  readonly arrived: boolean;
}

/**
 * Reads how much is missing until nothing is, or until it has not become less for `stallMs`. Slow is not
 * stalled: a guest that gives back 2 MiB a second is being waited for.
 */
export async function followProgress(
  readMissing: (signal: AbortSignal) => Promise<number>,
  onChange: (missing: number) => void,
  timing: FollowTiming,
  signal: AbortSignal,
): Promise<Followed> {
  let least = Number.POSITIVE_INFINITY;
  let leastAt = performance.now();
  for (;;) {
    const missing = await readMissing(signal);
    if (missing < least) {
      if (least !== Number.POSITIVE_INFINITY || missing > 0) onChange(Math.max(0, missing));
      least = missing;
      leastAt = performance.now();
    }
    if (missing <= 0) return { missing: 0, arrived: true };
    if (performance.now() - leastAt >= timing.stallMs) return { missing, arrived: false };
    await delay(timing.pollMs, undefined, { signal });
  }
}
