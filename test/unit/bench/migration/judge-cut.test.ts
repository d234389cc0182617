import { describe, expect, it } from 'vitest';
import { type CutTrip, judgeCut } from '../../../../bench/migration/judge-cut.ts';

const trip = (changes: Partial<CutTrip> = {}): CutTrip => ({
  ...({ to: 'pc', moment: '50 %', cuts: 1, cutMs: 30_000, totalMs: 45_000, downtimeMs: 90 } as const),
  ...{ wireBytes: 60e6, resentBytes: 1e6, longestWriteMs: 31_000 },
  ...changes,
});

describe('a trip through a cut', () => {
  it('may send once more what was under way, and no more', () => {
    expect(judgeCut(trip({ resentBytes: 8 * 1024 ** 2 }))).toEqual([]);
    expect(judgeCut(trip({ resentBytes: 8 * 1024 ** 2 + 1 }))).toEqual([
      'to the pc, 50 %: 8388609 bytes were sent once more for 1 cuts',
    ]);
    expect(judgeCut(trip({ moment: 'never', cuts: 0, resentBytes: 1, longestWriteMs: 0 }))).toHaveLength(1);
  });

  it('may send more once more where links are lost again and again, one of them before it began', () => {
    const resentBytes = 4 * 8 * 1024 ** 2;
    expect(judgeCut(trip({ moment: 'one of two', cuts: 3, resentBytes }))).toEqual([]);
    expect(judgeCut(trip({ moment: 'one of two', cuts: 2, resentBytes }))).toHaveLength(1);
  });

  it('may have the disk of the guest wait for the cut, and little longer', () => {
    expect(judgeCut(trip({ longestWriteMs: 40_000 }))).toEqual([]);
    expect(judgeCut(trip({ longestWriteMs: 40_001 }))[0]).toMatch(/took 40001 ms, the cut 30000 ms/);
  });
});
