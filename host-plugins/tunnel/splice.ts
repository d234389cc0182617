import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Joins two streams: what either sends, the other gets, with backpressure. When one direction ends the other goes
 * on (both streams must allow half-open). Resolves when both have ended; rejects with the first error, and then
 * both are destroyed. An abort destroys both, too.
 */
export async function splice(a: Duplex, b: Duplex, signal: AbortSignal): Promise<void> {
  // two pipelines listen to each of them, besides its owner, which is more than the usual ten listeners
  for (const stream of [a, b]) stream.setMaxListeners(20);
  const directions = [pipeline(a, b, { signal }), pipeline(b, a, { signal })];
  try {
    await Promise.all(directions);
  } catch (error) {
    a.destroy();
    b.destroy();
    await Promise.allSettled(directions);
    throw error;
  }
}
