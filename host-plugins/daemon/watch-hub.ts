import type { z } from 'zod';
import type { controlMethods } from '../../protocol/control-methods.ts';

/** What `wdock watch` shows. */
export type WatchEvent = z.output<(typeof controlMethods)['watch']['progress']>;

/** Everything that happens on this device, for those who watch. Nothing is kept for those who come later. */
export class WatchHub {
  readonly #watchers = new Set<(event: WatchEvent) => void>();

  publish(event: WatchEvent): void {
    for (const watcher of this.#watchers) watcher(event);
  }

  /** Calls `watcher` with each event until the signal aborts; resolves then. */
  async watch(watcher: (event: WatchEvent) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => resolve(), { once: true });
    this.#watchers.add(watcher);
    await promise;
    this.#watchers.delete(watcher);
  }
}
