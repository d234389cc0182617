import type { ProgressEvent } from '../../protocol/progress-event.ts';
import type { AdaptResult } from './adapt-here.ts';
import type { Emit } from './stage-clock.ts';

/**
 * The adapting of a guest that arrived, started or was found again. It belongs to this device and goes on whoever
 * listens; who comes late is told all from the beginning.
 */
export class Adaptation {
  readonly epoch: number;
  readonly result: Promise<AdaptResult>;
  /** Resolves when it is not under way any more, however it ended. */
  readonly ended: Promise<void>;
  readonly #controller = new AbortController();
  readonly #events: ProgressEvent[] = [];
  readonly #listeners = new Set<Emit>();
  #underWay = true;

  constructor(epoch: number, work: (emit: Emit, signal: AbortSignal) => Promise<AdaptResult>) {
    this.epoch = epoch;
    this.result = work((event) => {
      this.#events.push(event);
      for (const listener of this.#listeners) listener(event);
    }, this.#controller.signal);
    const ended = (): void => {
      this.#underWay = false;
    };
    this.ended = this.result.then(ended, ended); // whoever waits for the result sees its error; nobody has to
  }

  get underWay(): boolean {
    return this.#underWay;
  }

  /** Gives all events so far, and then each as it comes. */
  listen(listener: Emit): Disposable {
    for (const event of this.#events) listener(event);
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Stops it where it stands, because the VM leaves or ends; resolves when it has stopped. */
  async stop(reason: unknown): Promise<void> {
    this.#controller.abort(reason);
    await this.ended;
  }
}
