import { DockError } from '../../../protocol/dock-error.ts';

/**
 * The error for work that an AbortSignal stopped: `timeout` where a deadline passed, otherwise `cancelled`.
 * `what` says what was being waited for: `the answer to "stop"`.
 */
export function interruption(signal: AbortSignal, what: string): DockError {
  const reason: unknown = signal.reason;
  const kind = DockError.from(reason, 'cancelled').kind;
  if (kind === 'timeout') return new DockError('timeout', `${what} did not come in time`, { cause: reason });
  return new DockError('cancelled', `stopped waiting for ${what}`, { cause: reason });
}
