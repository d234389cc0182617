import { DockError } from '../../protocol/dock-error.ts';
import type { HandOverEvent } from './state.ts';

/** Hands each event to those who wait for one like it. */
export class HandOverEvents {
  readonly #listeners = new Set<(event: HandOverEvent) => void>();

  emit(event: HandOverEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** The first event from now on that is wanted. Rejects with the signal's reason, as a `DockError`. */
  until(wanted: (event: HandOverEvent) => boolean, signal: AbortSignal): Promise<HandOverEvent> {
    const { promise, resolve, reject } = Promise.withResolvers<HandOverEvent>();
    const finish = (settle: () => void): void => {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', abort);
      settle();
    };
    const listener = (event: HandOverEvent): void => {
      if (wanted(event)) finish(() => resolve(event));
    };
    const abort = (): void => finish(() => reject(DockError.from(signal.reason, 'cancelled')));
    this.#listeners.add(listener);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    // Who begins to wait before its input may see it fail before it awaits: that is no unhandled rejection.
    promise.catch(() => undefined);
    return promise;
  }
}
