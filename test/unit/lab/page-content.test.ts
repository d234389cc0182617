import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryArena } from '../../lab/verify/memory-arena.ts';
import { fillPage, judgePage } from '../../lab/verify/page-content.ts';

const salt = 12345;
const scratch = new Uint32Array(1024);

function page(place: number, generation: number): Uint32Array {
  const words = new Uint32Array(1024);
  fillPage(words, salt, place, generation);
  return words;
}

describe('a checked page', () => {
  it('is found stale when a move brought back what stood there before', () => {
    expect(judgePage(page(7, 3), scratch, salt, 7, 4)).toBe('stale');
    expect(judgePage(page(7, 0), scratch, salt, 7, 4)).toBe('stale');
  });

  it('is found zero when it was not moved at all', () => {
    expect(judgePage(new Uint32Array(1024), scratch, salt, 7, 4)).toBe('zero');
  });

  it('is found corrupt when one bit of it is wrong, or when it is the page of another place', () => {
    fc.assert(
      fc.property(fc.nat({ max: 1023 }), fc.nat({ max: 31 }), (word, bit) => {
        const damaged = page(7, 4);
        damaged[word] = (damaged[word] as number) ^ (1 << bit);
        expect(judgePage(damaged, scratch, salt, 7, 4)).toBe('corrupt');
      }),
    );
    expect(judgePage(page(8, 4), scratch, salt, 7, 4)).toBe('corrupt');
  });

  it('has another content at every place and in every generation', () => {
    const seen = new Set<string>();
    for (let place = 0; place < 300; place++) {
      for (let generation = 0; generation < 10; generation++)
        seen.add(page(place, generation).subarray(0, 4).join());
    }
    expect(seen.size).toBe(3000);
  });
});

describe('the pages of the load', () => {
  it('compress to about a quarter, and not away', () => {
    for (const place of [0, 1, 77]) {
      const packed = zstdCompressSync(new Uint8Array(page(place, 3).buffer)).length / 4096;
      expect(packed).toBeGreaterThan(0.2);
      expect(packed).toBeLessThan(0.3);
    }
  });
});

describe('the load in memory', () => {
  it('counts a damaged page once, says which it was, and goes on', () => {
    const arena = new MemoryArena(1, salt);
    arena.rewrite(600);
    arena.pageAt(5).fill(0);
    arena.check(arena.pageCount);
    arena.check(arena.pageCount);
    expect(arena.counters).toMatchObject({
      checkedPages: 512,
      passes: 2,
      mismatches: 1,
      firstMismatch: { place: 5, finding: 'zero' },
    });
  });

  it('rewrites every page of it in turn', () => {
    const arena = new MemoryArena(1, salt);
    const before = Array.from({ length: arena.pageCount }, (_, place) => arena.pageAt(place)[0]);
    arena.rewrite(arena.pageCount);
    const same = before.filter((word, place) => word === arena.pageAt(place)[0]);
    expect(same).toEqual([]);
    arena.check(arena.pageCount);
    expect(arena.counters.mismatches).toBe(0);
  });
});
