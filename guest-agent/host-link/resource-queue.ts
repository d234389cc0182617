import { DockError } from '../../protocol/dock-error.ts';

const maxWaiting = 8;
const maxRunning = 32;

/**
 * Runs work on one resource in the order it came, work on different resources side by side. Work that was begun is
 * never broken off by newer work: half a change is worse than a change that is overtaken.
 */
export class ResourceQueue {
  readonly #tails = new Map<string, { last: Promise<unknown>; length: number }>();
  #running = 0;

  /** @param resource undefined for work that nothing has to wait for. Rejects with `conflict` when too much waits. */
  async run<T>(resource: string | undefined, work: () => Promise<T>): Promise<T> {
    const tail = resource === undefined ? undefined : this.#tails.get(resource);
    if ((tail?.length ?? 0) >= maxWaiting || this.#running >= maxRunning) {
      throw new DockError(
        'conflict',
        `the agent is still busy with ${this.#running} requests; ask again later`,
      );
    }
    this.#running += 1;
    const result = (tail?.last ?? Promise.resolve()).then(work);
    const settled = result.then(
      () => {},
      () => {},
    );
    if (resource !== undefined) this.#tails.set(resource, { last: settled, length: (tail?.length ?? 0) + 1 });
    try {
      return await result;
    } finally {
      this.#running -= 1;
      this.#leave(resource);
    }
  }

  #leave(resource: string | undefined): void {
    const tail = resource === undefined ? undefined : this.#tails.get(resource);
    if (resource === undefined || tail === undefined) return;
    if (tail.length <= 1) this.#tails.delete(resource);
    else tail.length -= 1;
  }
}
