import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Silence } from '../../lab/traffic/silence.ts';
import { blockBytes, StreamCheck, StreamSource } from '../../lab/traffic/stream-content.ts';

/** So many whole blocks of a stream, for a test to damage. */
function blocks(count: number, salt = 7): Buffer {
  return next(new StreamSource(salt), count * blockBytes);
}

function next(source: StreamSource, bytes: number): Buffer {
  const piece = Buffer.alloc(bytes);
  source.fill(piece);
  return piece;
}

function check(content: Buffer, salt = 7) {
  const receiver = new StreamCheck(salt);
  receiver.take(content);
  return receiver.counters;
}

describe('a stream whose content is known', () => {
  it('shows the block in which one bit is another', () => {
    const content = blocks(5);
    content[3 * blockBytes + 17] = (content[3 * blockBytes + 17] ?? 0) ^ 0x10;
    expect(check(content)).toMatchObject({ mismatches: 1, firstMismatch: { block: 3, finding: 'corrupt' } });
  });

  it('shows a block that is missing, from there on', () => {
    const content = blocks(6);
    const without = Buffer.concat([content.subarray(0, 2 * blockBytes), content.subarray(3 * blockBytes)]);
    expect(check(without)).toMatchObject({ mismatches: 3, firstMismatch: { block: 2, finding: 'other' } });
  });

  it('shows a block that came twice', () => {
    const content = blocks(4);
    const twice = Buffer.concat([content.subarray(0, 2 * blockBytes), content.subarray(blockBytes)]);
    expect(check(twice)).toMatchObject({ mismatches: 3, firstMismatch: { block: 2, finding: 'other' } });
  });

  it('is not the stream of another connection', () => {
    expect(check(blocks(1, 8), 7).firstMismatch).toEqual({ block: 0, finding: 'other' });
  });

  it('is intact however it is cut on its way', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9_000 }), { maxLength: 12 }), (sizes) => {
        const source = new StreamSource(3);
        const receiver = new StreamCheck(3);
        for (const size of sizes) receiver.take(next(source, size));
        expect(receiver.counters).toMatchObject({ receivedBytes: source.sentBytes, mismatches: 0 });
      }),
    );
  });
});

describe('the silence that a listener measures', () => {
  it('counts one that has not ended', () => {
    const silence = new Silence(1_000);
    silence.heard(1_010);
    expect(silence.longest(1_500)).toEqual({ ms: 490, fromMs: 1_010 });
  });

  it('leaves out what was before the mark', () => {
    const silence = new Silence(0);
    silence.heard(900);
    silence.mark(1_000);
    silence.heard(1_020);
    expect(silence.longest(1_030).ms).toBe(20);
  });
});
