import { Worker } from 'node:worker_threads';
import type { Fault } from './run-cases.ts';

/** A case takes milliseconds; one that takes so long hangs. */
const hangMs = 60_000;

/** Runs every `step`th case of a target, in a thread that can be watched. */
export class FuzzThread {
  readonly over: Promise<Fault | undefined>;
  readonly #worker: Worker;
  readonly #progress = new Float64Array(new SharedArrayBuffer(16));
  #seen = -1;
  #seenAt = performance.now();

  constructor(target: string, runs: number, seed: string, first: number, step: number) {
    const cases = { seed, first, step, count: Math.ceil((runs - first) / step) };
    this.#worker = new Worker(new URL('./fuzz-worker-main.ts', import.meta.url), {
      workerData: { target, cases, at: this.#progress.buffer },
    });
    this.over = new Promise((resolve) => {
      this.#worker.once('message', ({ fault }: { fault: Fault | undefined }) => resolve(fault));
      this.#worker.once('error', (error) => resolve(this.#fault(`the thread died: ${error.message}`)));
    });
  }

  get done(): number {
    return this.#progress[1] ?? 0;
  }

  /** The case that hangs, if it does. */
  look(): Fault | undefined {
    const now = performance.now();
    if (this.done !== this.#seen) {
      this.#seen = this.done;
      this.#seenAt = now;
    }
    const isOver = this.done === 0 || now - this.#seenAt < hangMs;
    return isOver ? undefined : this.#fault(`it has not come to an end for ${hangMs / 1000} s`);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #fault(message: string): Fault {
    return { caseNumber: this.#progress[0] ?? 0, message };
  }
}
