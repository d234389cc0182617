import { DockError } from '../../protocol/dock-error.ts';
import type { ErasedMethod, RunningCall } from './rpc-server.ts';

/**
 * How long the answer of a call is kept for a caller whose connection was lost, and how long a call that does not
 * outlive its caller goes on without one, ms. Longer than any caller is patient, so that a key that is not known was
 * never heard.
 */
export const keptForMs = 180_000;
/** Progress of one call that is said again to a caller that comes back; what is older it does not get to see. */
const maxValues = 4_096;

export type CallOutcome = { readonly result: unknown } | { readonly error: DockError };

/** Tells one connection how a call goes. */
export interface CallListener {
  readonly progress: (value: unknown) => void;
  readonly settle: (outcome: CallOutcome) => void;
}

/** A call of the other end; one that is kept lasts until nobody can ask for its answer any more. */
export class ServedCall implements RunningCall {
  readonly method: string;
  readonly controller = new AbortController();
  readonly done: Promise<void>;
  onForgotten: () => void = () => undefined;
  readonly #outlivesCaller: boolean;
  readonly #isKept: boolean;
  readonly #values: unknown[] = [];
  #dropped = 0;
  #outcome: CallOutcome | undefined;
  #listener: CallListener | undefined;
  #alone: NodeJS.Timeout | undefined;

  /** `kept`: it may be asked for again. */
  constructor(name: string, method: ErasedMethod, params: unknown, { kept }: { readonly kept: boolean }) {
    this.method = name;
    this.#outlivesCaller = method.outlivesCaller;
    this.#isKept = kept;
    this.done = this.#run(method, params);
  }

  /** It has its answer. */
  get over(): boolean {
    return this.#outcome !== undefined;
  }

  get error(): DockError | undefined {
    return this.#outcome !== undefined && 'error' in this.#outcome ? this.#outcome.error : undefined;
  }

  /**
   * Tells `listener` what came after the first `heard` values of progress, and the answer, at once where they are there.
   * The listener before it, whose connection is lost, hears no more.
   */
  tell(listener: CallListener, heard: number): void {
    clearTimeout(this.#alone);
    this.#listener = listener;
    for (const value of this.#values.slice(Math.max(0, heard - this.#dropped))) listener.progress(value);
    if (this.#outcome !== undefined) this.#settle(this.#outcome);
  }

  /** The connection of that listener is gone. */
  leave(listener: CallListener): void {
    if (this.#listener !== listener) return;
    this.#listener = undefined;
    if (this.#isKept) this.#waitAlone();
    else this.forget();
  }

  /** Nobody will ask again. */
  forget(): void {
    clearTimeout(this.#alone);
    this.onForgotten();
    if (!this.over && !this.#outlivesCaller)
      this.controller.abort(new DockError('cancelled', 'the caller is gone'));
  }

  async #run(method: ErasedMethod, params: unknown): Promise<void> {
    const progress = (value: unknown): void => {
      if (this.#isKept) this.#values.push(value);
      if (this.#values.length > maxValues) {
        this.#values.shift();
        this.#dropped++;
      }
      this.#listener?.progress(value);
    };
    // whoever made the call listens first
    await Promise.resolve();
    try {
      this.#outcome = { result: await method.invoke(params, this.controller.signal, progress) };
    } catch (error) {
      this.#outcome = { error: DockError.from(error) };
    }
    this.#settle(this.#outcome);
  }

  /** Kept all the same: a connection that is lost with the answer on its way looks as one that is there. */
  #settle(outcome: CallOutcome): void {
    this.#listener?.settle(outcome);
    this.#waitAlone();
  }

  #waitAlone(): void {
    clearTimeout(this.#alone);
    if (!this.#isKept) return;
    this.#alone = setTimeout(() => this.forget(), keptForMs);
    this.#alone.unref();
  }
}
