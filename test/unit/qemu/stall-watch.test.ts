import { describe, expect, it } from 'vitest';
import { StallWatch } from '../../../host-plugins/qemu/stall-watch.ts';

const at = (transferredBytes: number, remainingBytes = 100, pass = 1) => ({
  transferredBytes,
  remainingBytes,
  pass,
});

describe('a migration that is looked at', () => {
  it('hangs since it was last seen to move, not since it was first looked at', () => {
    const watch = new StallWatch();
    expect(watch.observe(at(10), 5_000)).toBe(0);
    expect(watch.observe(at(20), 9_000)).toBe(0);
    expect(watch.observe(at(20), 9_500)).toBe(500);
    expect(watch.observe(at(20), 39_000)).toBe(30_000);
  });

  it('moves again with the first byte, and is given the whole time once more', () => {
    const watch = new StallWatch();
    watch.observe(at(20), 0);
    expect(watch.observe(at(20), 29_000)).toBe(29_000);
    expect(watch.observe(at(21), 29_500)).toBe(0);
    expect(watch.observe(at(21), 30_000)).toBe(500);
  });

  it('moves while it passes over memory that is all zero, of which hardly a byte is sent', () => {
    const watch = new StallWatch();
    watch.observe(at(20, 1_000), 0);
    expect(watch.observe(at(20, 500), 40_000)).toBe(0);
    expect(watch.observe(at(20, 500, 2), 80_000)).toBe(0);
  });
});
