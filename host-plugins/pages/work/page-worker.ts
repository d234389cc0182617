// A thread of page-workers.ts: does one job after the other.
import { parentPort } from 'node:worker_threads';
import { DockError } from '../../../protocol/dock-error.ts';
import { doPageJob, type PageJob } from './page-jobs.ts';

const port = parentPort;
if (port === null) throw new DockError('internal', 'page-worker is a thread, and no program');

port.on('message', ({ id, job }: { id: number; job: PageJob }) => {
  const begin = performance.now();
  const result = compact(doPageJob(job));
  port.postMessage({ id, result, busyMs: performance.now() - begin }, [...ownBuffers(result)]);
});

type Result = ReturnType<typeof doPageJob>;

/** A view of a buffer that is much larger would take all of that along: its part is copied. */
function compact(result: Result): Result {
  if (result === undefined || result instanceof SharedArrayBuffer) return result;
  const parts = Object.entries(result).map(([name, part]: [string, unknown]) => {
    const isPart = part instanceof Uint8Array && part.length * 2 <= part.buffer.byteLength;
    return [name, isPart ? new Uint8Array(part) : part];
  });
  return Object.fromEntries(parts) as Result;
}

/** What the result is made of, and nobody here needs any more. */
function* ownBuffers(result: Result): Generator<ArrayBuffer> {
  if (result === undefined || result instanceof SharedArrayBuffer) return;
  for (const part of Object.values(result))
    if (part instanceof Uint8Array && part.buffer instanceof ArrayBuffer) yield part.buffer;
}
