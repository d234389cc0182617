import { DockError } from '../../../protocol/dock-error.ts';
import { run } from './run.ts';
import { comeBack } from './step-aside.ts';

/** Nothing is waited for longer, ms: an hour, in which a VM comes over the slowest link or not at all. */
const longestWaitMs = 60 * 60_000;

type Parts = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * A program that is started before its input is known, for where each millisecond counts later: starting one takes a
 * tenth of a second on a busy computer. It ends with this process, for then its input ends.
 */
export class WaitingProgram implements Disposable {
  readonly #input = Promise.withResolvers<Parts>();
  readonly #over = new AbortController();
  readonly #end: Promise<unknown>;

  /** A program that cannot be started is told to whoever feeds it. `signal` ends it. */
  constructor(argv: readonly string[], signal: AbortSignal) {
    comeBack();
    this.#end = run(argv, {
      input: this.#parts(),
      timeoutMs: longestWaitMs,
      signal: AbortSignal.any([signal, this.#over.signal]),
    });
    this.#end.catch(() => undefined);
  }

  async *#parts(): AsyncGenerator<Uint8Array> {
    yield* await this.#input.promise;
  }

  /**
   * Gives it all of its input, and waits for its end; at most once. Rejects as `run` does, with `timeout` when it has not
   * ended after this many milliseconds, and also when it had ended by itself before.
   */
  async feed(input: Parts, limitMs: number): Promise<void> {
    const late = setTimeout(() => {
      this.#over.abort(new DockError('timeout', `it has not ended after ${limitMs} ms`));
    }, limitMs);
    try {
      this.#input.resolve(input);
      await this.#end;
    } finally {
      clearTimeout(late);
    }
  }

  /** Ends it when it still runs. */
  [Symbol.dispose](): void {
    this.#over.abort(new DockError('cancelled', 'it is not needed any more'));
  }
}
