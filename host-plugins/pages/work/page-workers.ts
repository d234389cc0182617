import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { DockError } from '../../../protocol/dock-error.ts';
import { comeBack } from '../../system/process/step-aside.ts';
import type { PageJob, ResultOf } from './page-jobs.ts';

const maxWorkers = 4;

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: DockError) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly jobs: Map<number, Waiting>;
}

/**
 * Threads for what takes time: hashing and compressing pages. Each job goes to the thread that has the fewest. When a
 * thread dies, or after `close`, all that is asked of them rejects.
 */
export class PageWorkers implements AsyncDisposable {
  readonly #threads: Thread[] = [];
  #failure: DockError | undefined;
  #next = 0;
  #busyMs = 0;

  constructor(count: number = Math.min(maxWorkers, availableParallelism())) {
    const program = new URL(`./page-worker${extname(import.meta.url)}`, import.meta.url);
    comeBack();
    for (let i = 0; i < count; i++) {
      const thread: Thread = { worker: new Worker(program), jobs: new Map() };
      thread.worker.on('message', ({ id, result, busyMs }: { id: number; result: never; busyMs: number }) => {
        this.#busyMs += busyMs;
        const waiting = thread.jobs.get(id);
        thread.jobs.delete(id);
        waiting?.resolve(result);
      });
      const fail = (error?: unknown) => {
        this.#fail(new DockError('internal', 'a thread that works on pages has died', { cause: error }));
      };
      thread.worker.on('error', fail).on('exit', fail);
      this.#threads.push(thread);
    }
  }

  get count(): number {
    return this.#threads.length;
  }

  /** Time that the threads have worked, in all, ms. */
  get busyMs(): number {
    return this.#busyMs;
  }

  /** `transfer`: buffers of the job that the caller gives away. */
  async run<J extends PageJob>(job: J, transfer: readonly ArrayBuffer[] = []): Promise<ResultOf<J>> {
    if (this.#failure !== undefined) throw this.#failure;
    const thread = this.#threads.reduce((least, each) => (each.jobs.size < least.jobs.size ? each : least));
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<ResultOf<J>>();
    thread.jobs.set(id, { resolve, reject });
    thread.worker.postMessage({ id, job }, [...transfer]);
    return await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new DockError('cancelled', 'the page exchange was closed'));
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #fail(error: DockError): void {
    this.#failure ??= error;
    for (const { jobs } of this.#threads) {
      for (const { reject } of jobs.values()) reject(this.#failure);
      jobs.clear();
    }
  }
}
