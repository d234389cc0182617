import { DockError } from '../../protocol/dock-error.ts';

/** Leaves a wait when the signal aborts (`cancelled`, or `timeout`); what was waited for goes on. */
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
