import { untilAborted } from '../pairing/until-aborted.ts';

/** A read that nobody waits for any more ends after this, ms. */
const limitMs = 20_000;

/**
 * For what several ask for at about the same time, and what takes programs to find out: whoever asks while an answer is
 * on its way, or up to `forMs` after it came, gets that one. One that fails is not shared with those who ask later.
 */
export function shareBriefly<Value>(
  read: (signal: AbortSignal) => Promise<Value>,
  forMs: number,
  now: () => number,
): (signal: AbortSignal) => Promise<Value> {
  let latest: { readonly value: Promise<Value>; cameAt: number | undefined } | undefined;
  const begin = () => {
    const begun = { value: read(AbortSignal.timeout(limitMs)), cameAt: undefined as number | undefined };
    latest = begun;
    begun.value.then(
      () => {
        begun.cameAt = now();
      },
      () => {
        if (latest === begun) latest = undefined;
      },
    );
    return begun;
  };
  return async (signal) => {
    const isFresh = latest !== undefined && (latest.cameAt === undefined || now() - latest.cameAt <= forMs);
    const { value } = isFresh && latest !== undefined ? latest : begin();
    return await untilAborted(value, signal);
  };
}
