import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { DockError } from '../../../protocol/dock-error.ts';
import { DockErrorShape } from '../../../protocol/dock-error-shape.ts';
import type { StoreJob, StoreResult } from './store-jobs.ts';

interface Waiting {
  resolve(result: unknown): void;
  reject(error: DockError): void;
}

/**
 * A thread of its own for what takes long and blocks. Jobs are done one after the other. Disposing ends it in the middle of
 * whatever it does, which leaves files as a crash would: the store is made for that.
 */
export class StoreThread implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #over: DockError | undefined;

  /** @param urgent a VM waits for it; otherwise it has the lowest priority */
  constructor(key: Buffer, { urgent }: { readonly urgent: boolean }) {
    const program = new URL(`./kept-memory-worker${extname(import.meta.url)}`, import.meta.url);
    this.#worker = new Worker(program, { workerData: { key: new Uint8Array(key), urgent } });
    this.#worker.unref();
    this.#worker.on('message', (answer: { id: number; result?: unknown; error?: unknown }) => {
      const waiting = this.#waiting.get(answer.id);
      this.#settle(answer.id);
      if (!('error' in answer)) return waiting?.resolve(answer.result);
      const { kind, message, detail } = DockErrorShape.parse(answer.error);
      waiting?.reject(new DockError(kind, message, detail === undefined ? {} : { detail }));
    });
    this.#worker.on('error', (cause: Error) => {
      this.#end(new DockError('internal', `the thread of kept memory failed: ${cause.message}`, { cause }));
    });
    this.#worker.on('exit', () =>
      this.#end(new DockError('cancelled', 'the thread of kept memory was ended')),
    );
  }

  async do<J extends StoreJob['job']>(job: Extract<StoreJob, { job: J }>): Promise<StoreResult<J>> {
    if (this.#over !== undefined) throw this.#over;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = this.#next;
    this.#next += 1;
    this.#waiting.set(id, { resolve, reject });
    this.#worker.ref(); // while somebody waits for it
    this.#worker.postMessage({ id, job });
    return (await promise) as StoreResult<J>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }

  #settle(id: number): void {
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
  }

  #end(why: DockError): void {
    this.#over ??= why;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#over);
    this.#waiting.clear();
  }
}
