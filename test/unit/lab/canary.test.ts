import { describe, expect, it } from 'vitest';
import { canaryMarker, countMarkers, makeCanary } from '../../lab/traffic/canary.ts';

describe('a canary', () => {
  const canary = makeCanary('one', 4096);

  it('is not found where there is none, nor where there is another', () => {
    expect(countMarkers(Buffer.alloc(4096), canaryMarker('one'))).toBe(0);
    expect(countMarkers(canary, canaryMarker('other'))).toBe(0);
  });

  it('is found in each of its pieces of 128 bytes, wherever that begins', () => {
    for (let from = 0; from + 128 <= canary.length; from += 31) {
      expect(countMarkers(canary.subarray(from, from + 128), canaryMarker('one'))).toBeGreaterThan(0);
    }
  });
});
