// A thread of page-workers.ts: does one job after the other.
import { parentPort } from 'node:worker_threads';
import { DockError } from '../../../protocol/dock-error.ts';
import { doPageJob, type PageJob } from './page-jobs.ts';

const port = parentPort;
if (port === null) throw new DockError('internal', 'page-worker is a thread, and no program');

port.on('message', ({ id, job }: { id: number; job: PageJob }) => {
  const begin = performance.now();
  const result = doPageJob(job);
  port.postMessage({ id, result, busyMs: performance.now() - begin }, [...ownBuffers(result)]);
});

/** What the result is made of, and nobody here needs any more. */
function* ownBuffers(result: ReturnType<typeof doPageJob>): Generator<ArrayBuffer> {
  if (result === undefined || result instanceof SharedArrayBuffer) return;
  for (const part of Object.values(result)) {
    // What lies in Node's own pool is copied.
    if (
      part instanceof Uint8Array &&
      part.buffer instanceof ArrayBuffer &&
      part.length * 2 > part.buffer.byteLength
    )
      yield part.buffer;
  }
}
