import { describe, expect, it } from 'vitest';
import { freeBuffer } from '../../../host-plugins/pages/free-buffer.ts';

describe('a buffer that is freed', () => {
  it('is empty, and so is every view of it', () => {
    const buffer = Buffer.alloc(1024 * 1024, 7);
    const view = buffer.subarray(4096, 8192);
    freeBuffer(buffer);
    expect([buffer.length, view.length]).toEqual([0, 0]);
  });

  it('is left as it is where it shares its memory with others', () => {
    const [one, other] = [Buffer.allocUnsafe(100).fill(1), Buffer.allocUnsafe(100).fill(2)];
    const shared = new Uint8Array(new SharedArrayBuffer(1024 * 1024)).fill(3);
    for (const each of [one, shared]) freeBuffer(each);
    expect([one[99], other[99], shared[99]]).toEqual([1, 2, 3]);
  });
});
