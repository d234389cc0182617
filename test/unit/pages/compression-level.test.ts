import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CompressionLevel,
  nextLevel,
  quickestLevel,
} from '../../../host-plugins/pages/exchange/compression-level.ts';

const anySigns = fc.record({
  linkWasFull: fc.boolean(),
  idleShare: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
});

/** The level after all of these looks. */
const levelAfter = (
  looks: readonly Parameters<typeof nextLevel>[1][],
  from: CompressionLevel = quickestLevel,
) => looks.reduce<CompressionLevel>(nextLevel, from);
const idle = { linkWasFull: true, idleShare: 0.9 };

describe('the level of compression', () => {
  it('stays the quickest where the link is not full, processors are busy, or nobody knows', () => {
    const reasons = [
      { ...idle, linkWasFull: false },
      { ...idle, idleShare: 0.1 },
      { ...idle, idleShare: undefined },
    ];
    for (const reason of reasons) expect(levelAfter([reason, reason, reason])).toBe(quickestLevel);
  });

  it('rises a step at a time while the link is full and processors are idle, and has an end', () => {
    const rising = [1, 2, 3, 4, 5].map((looks) => levelAfter(Array.from({ length: looks }, () => idle)));
    expect(rising).toEqual([2, 3, 6, 6, 6]);
  });

  it('stays where it is while processors are idle enough for it and not for more', () => {
    expect(levelAfter([{ linkWasFull: true, idleShare: 0.3 }], 3)).toBe(3);
  });

  it('is the quickest again, whatever came before, once others want the processors', () => {
    fc.assert(
      fc.property(fc.array(anySigns), (looks) => {
        const busy = { linkWasFull: true, idleShare: 0 };
        expect(levelAfter([busy, busy, busy], levelAfter(looks))).toBe(quickestLevel);
      }),
    );
  });
});
