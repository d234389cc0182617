/** Time for the engine, so that tests own it. */
export interface PresenceClock {
  /** Milliseconds on a clock that only goes forward; it may stand still while the host sleeps. */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** Calls `ring` once, when `now` has reached `at`, unless disposed before. */
  alarm(at: number, ring: () => void): Disposable;
}

/** Returns after this time, ms, or when the signal aborts. */
export async function pause(clock: PresenceClock, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ = clock.alarm(clock.now() + ms, resolve);
  const end = () => resolve();
  signal.addEventListener('abort', end, { once: true });
  if (!signal.aborted) await promise;
  signal.removeEventListener('abort', end);
}

/** The longest that `setTimeout` can wait, ms. */
const longestTimerMs = 2 ** 31 - 1;

export const systemPresenceClock: PresenceClock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  alarm: (at, ring) => {
    // rounded up: a timer that is early would only be set again
    const waitMs = Math.min(longestTimerMs, Math.max(0, Math.ceil(at - performance.now())));
    const timer = setTimeout(ring, waitMs).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
