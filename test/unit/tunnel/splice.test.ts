import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { splice } from '../../../host-plugins/tunnel/splice.ts';

/** near a --- splice --- b far: what is written to `near` comes out of `far`. */
function joined(signal = new AbortController().signal) {
  const [near, a] = duplexPair({ highWaterMark: 1024 });
  const [b, far] = duplexPair({ highWaterMark: 1024 });
  const done = splice(a, b, signal);
  done.catch(() => undefined);
  return { near, a, b, far, done };
}

describe('two streams that are joined', () => {
  it('both break when one breaks, and the reason is kept', async () => {
    const { a, b, done } = joined();
    a.destroy(new Error('cable pulled'));
    await expect(done).rejects.toThrow('cable pulled');
    expect(b.destroyed).toBe(true);
  });

  it('both break when the join is aborted', async () => {
    const controller = new AbortController();
    const { a, b, done } = joined(controller.signal);
    controller.abort();
    await expect(done).rejects.toThrow();
    expect([a.destroyed, b.destroyed]).toEqual([true, true]);
  });

  it('pass on an end in one direction while the other goes on', async () => {
    const { near, far, done } = joined();
    near.end('question');
    expect(await text(far)).toBe('question');
    far.end('answer');
    expect(await text(near)).toBe('answer');
    await done;
  });

  it('hold a fast writer back for a slow reader', async () => {
    const { near, far } = joined();
    const chunk = Buffer.alloc(100);
    let written = 0;
    let stalled = false;
    // nobody reads `far`: only what fits the buffers on the way is taken
    while (!stalled && written < 1024 * 1024) {
      written += chunk.length;
      if (near.write(chunk)) continue;
      let drained = false;
      near.once('drain', () => {
        drained = true;
      });
      for (let turn = 0; turn < 100 && !drained; turn++) await setImmediate();
      stalled = !drained;
    }
    expect(stalled).toBe(true);
    expect(written).toBeLessThan(64 * 1024);
    far.resume();
    await new Promise((resolve) => near.once('drain', resolve));
  });
});
