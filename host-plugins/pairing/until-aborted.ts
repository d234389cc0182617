import { DockError } from '../../protocol/dock-error.ts';

/**
 * Leaves a wait when the signal aborts (`cancelled`, or `timeout`); what was waited for goes on. Not for a promise
 * that outlives many such waits: it keeps something of each.
 */
export async function untilAborted<V>(wait: Promise<V>, signal: AbortSignal): Promise<V> {
  if (signal.aborted) throw DockError.from(signal.reason, 'cancelled');
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(DockError.from(signal.reason, 'cancelled'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([wait, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Returns when the first of the two aborts, and leaves nothing with either. */
export async function untilEither(one: AbortSignal, other: AbortSignal): Promise<void> {
  if (one.aborted || other.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  one.addEventListener('abort', onAbort);
  other.addEventListener('abort', onAbort);
  try {
    await promise;
  } finally {
    one.removeEventListener('abort', onAbort);
    other.removeEventListener('abort', onAbort);
  }
}
