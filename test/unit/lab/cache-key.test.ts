import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cacheKey, type KeyedFile } from '../../lab/cache/cache-key.ts';

const file = (path: string, content: string, executable = false): KeyedFile => ({
  path,
  executable,
  content: new TextEncoder().encode(content),
});

describe('the key of a cached build', () => {
  it('changes when a character moves from one value to its neighbour', () => {
    expect(cacheKey({ a: 'xy', b: 'z' }, [])).not.toBe(cacheKey({ a: 'x', b: 'yz' }, []));
    expect(cacheKey({}, [file('a', 'xy')])).not.toBe(cacheKey({}, [file('ax', 'y')]));
    expect(cacheKey({}, [file('a', 'x'), file('b', 'y')])).not.toBe(cacheKey({}, [file('a', 'xby')]));
  });

  it('changes when a file becomes executable, as the guest would notice', () => {
    expect(cacheKey({}, [file('start', 'x')])).not.toBe(cacheKey({}, [file('start', 'x', true)]));
  });

  it('is the same in whatever order the folder is read', () => {
    const files = [file('b', '2'), file('a', '1'), file('c/d', '3', true)];
    const facts = { suite: 'trixie', size: '4' };
    fc.assert(
      fc.property(fc.shuffledSubarray(files, { minLength: 3 }), (shuffled) => {
        expect(cacheKey({ size: '4', suite: 'trixie' }, shuffled)).toBe(cacheKey(facts, files));
      }),
    );
  });
});
