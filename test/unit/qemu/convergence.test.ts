import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Convergence, type Look } from '../../../host-plugins/qemu/convergence.ts';
import { type Dip, type SimulatedMove, simulateMove } from './simulated-move.ts';

const MB = 1_000_000;
const limits = { downtimeLimitMs: 300, maxDowntimeMs: 3_000 };

const atRest: SimulatedMove = {
  memoryBytes: 300 * MB,
  linkBytesPerS: 8.75 * MB,
  dips: [],
  writesBytesPerS: 0.5 * MB,
  writesToBytes: 20 * MB,
};

/** What a link carries when it is itself is known after some seconds; a dip before that is all that is known of it, ms. */
const knownAfterMs = 5_000;
/** Before this a dip is not told from a look that came at a bad moment: a window of looks, and what lay before it, ms. */
const toldAfterMs = 3_500;

const links = fc.integer({ min: 2, max: 125 }).map((size) => size * MB);
const dips: fc.Arbitrary<Dip[]> = fc.array(
  fc.record({
    fromMs: fc.integer({ min: knownAfterMs, max: 120_000 }),
    forMs: fc.integer({ min: 500, max: 12_000 }),
    share: fc.double({ min: 0.01, max: 0.4, noNaN: true }),
  }),
  { maxLength: 6 },
);
const moves = fc.record({
  memoryBytes: fc.integer({ min: 5, max: 600 }).map((size) => size * MB),
  linkBytesPerS: links,
  dips,
  writesBytesPerS: fc.integer({ min: 0, max: 150 }).map((size) => size * MB),
  writesToBytes: fc.integer({ min: 1, max: 150 }).map((size) => size * MB),
});
/** A dip begins to matter when the guest stands still longer than it would have without. */
const inBounds = (move: SimulatedMove) =>
  move.writesToBytes <= move.memoryBytes && move.writesBytesPerS <= 20 * move.linkBytesPerS;

describe('a move over a link that dips', () => {
  it('is never switched over in a dip, but where what is left is small enough for that', () => {
    fc.assert(
      fc.property(moves.filter(inBounds), (move) => {
        const ended = simulateMove({ ...move, expansion: [3, 2] }, limits);
        if (ended === undefined || ended.dippedForMs < toldAfterMs) return;
        expect(ended.standstillMs).toBeLessThanOrEqual(ended.limitMs * 1.2);
      }),
      { numRuns: 300 },
    );
  });

  it('neither slows a guest at rest nor has it stand still longer because of it', () => {
    const dip = { fromMs: 30_000, forMs: 12_000, share: 0.05 };
    const ended = simulateMove({ ...atRest, dips: [dip] }, limits);
    expect(ended).toMatchObject({ limitMs: 100, throttlePercent: 0, dippedForMs: 0 });
    expect(ended?.standstillMs).toBeLessThanOrEqual(130);
  });

  it('is not believed to be fast because buffers are', () => {
    const fast = { ...atRest, memoryBytes: 20 * MB, bufferBytes: 8 * MB, assumedBytesPerS: 8.75 * MB };
    const [own, ours] = [simulateMove(fast, undefined), simulateMove(fast, limits)];
    expect(own?.standstillMs).toBeGreaterThan(1_500);
    expect(ours?.standstillMs).toBeLessThan(own?.standstillMs ?? 0);
  });
});

describe('a move of pages that mostly need not be sent', () => {
  it('is not believed to go on as fast when the last pages are those that the guest has just written', () => {
    const back: SimulatedMove = {
      ...atRest,
      memoryBytes: 500 * MB,
      writesBytesPerS: MB,
      expansion: [60, 5],
      bufferBytes: 0.5 * MB,
      assumedBytesPerS: 8.75 * MB,
    };
    const [own, ours] = [simulateMove(back, undefined), simulateMove(back, limits)];
    expect(own?.standstillMs).toBeGreaterThan(600);
    expect(ours?.standstillMs).toBeLessThan(160);
    expect((ours?.atMs ?? 0) - (own?.atMs ?? 0)).toBeLessThan(1_000);
  });
});

describe('a guest', () => {
  it('always arrives, however much it writes, and stands still no longer than is allowed', () => {
    fc.assert(
      fc.property(moves.filter(inBounds), (move) => {
        const ended = simulateMove({ ...move, dips: [] }, limits);
        expect(ended).toBeDefined();
        expect(ended?.standstillMs).toBeLessThanOrEqual(limits.maxDowntimeMs * 1.1);
      }),
      { numRuns: 300 },
    );
  });

  it('at rest is never slowed, and stands still for about 100 ms at most', () => {
    const resting = fc.record({
      memoryBytes: fc.integer({ min: 50, max: 600 }).map((size) => size * MB),
      linkBytesPerS: links,
      writesBytesPerS: fc.integer({ min: 0, max: 600_000 }),
      writesToBytes: fc.integer({ min: 1, max: 50 }).map((size) => size * MB),
      dips: dips.filter((all) => all.length < 2),
    });
    fc.assert(
      fc.property(resting, (move) => {
        const ended = simulateMove(move, limits);
        expect(ended?.steerings.filter(({ throttlePercent }) => throttlePercent !== undefined)).toEqual([]);
        if (move.dips.length === 0) expect(ended?.standstillMs).toBeLessThanOrEqual(130);
      }),
      { numRuns: 300 },
    );
  });

  it('that plays a video is slowed until the link keeps up, rather than stand still for seconds', () => {
    const video = { ...atRest, writesBytesPerS: 100 * MB, writesToBytes: 60 * MB };
    expect(simulateMove(video, undefined)).toBeUndefined();
    const ended = simulateMove(video, limits);
    expect(ended?.throttlePercent).toBeGreaterThanOrEqual(95);
    expect(ended?.standstillMs).toBeLessThanOrEqual(330);
  });

  it('that writes as fast as the link carries is slowed no more than it takes', () => {
    const busy = { ...atRest, writesBytesPerS: 12 * MB, writesToBytes: 60 * MB };
    const ended = simulateMove(busy, limits);
    expect(ended?.throttlePercent).toBeLessThan(95);
    expect(ended?.limitMs).toBe(300);
  });
});

describe('what QEMU is told', () => {
  const look = (changes: Partial<Look> & { atMs: number }): Look => ({
    pass: 4,
    transferredBytes: changes.atMs * 1_000,
    remainingBytes: 5 * MB,
    dirtyBytesPerS: 50 * MB,
    ...changes,
  });

  it('is nothing but the bandwidth while the memory is sent for the first time, and in the pass after', () => {
    const convergence = new Convergence(limits);
    for (let atMs = 0; atMs < 60_000; atMs += 500) {
      const { switchoverBytesPerS: _, ...rest } = convergence.observe(
        look({ atMs, pass: atMs < 30_000 ? 1 : 2 }),
      );
      expect(rest).toEqual({});
    }
  });

  it('begins with 100 ms, or less where the settings allow less', () => {
    expect(new Convergence(limits).first).toEqual({ downtimeLimitMs: 100 });
    expect(new Convergence({ downtimeLimitMs: 40, maxDowntimeMs: 40 }, 5 * MB).first).toEqual({
      downtimeLimitMs: 40,
      switchoverBytesPerS: 5 * MB,
    });
  });

  it('is never a limit beyond what is allowed, nor a lower one than before, however long the guest writes', () => {
    const convergence = new Convergence(limits);
    let last = 100;
    for (let at = 0; at < 400; at++) {
      const { downtimeLimitMs } = convergence.observe(look({ atMs: at * 500, pass: 4 + at }));
      if (downtimeLimitMs === undefined) continue;
      expect(downtimeLimitMs).toBeGreaterThan(last);
      last = downtimeLimitMs;
    }
    expect(last).toBe(3_000);
    expect(convergence.throttlePercent).toBe(99);
  });

  it('is the bandwidth that the link sustains, again only when that is another one', () => {
    const convergence = new Convergence(limits);
    const told: number[] = [];
    for (let atMs = 0; atMs < 20_000; atMs += 500) {
      const { switchoverBytesPerS } = convergence.observe(look({ atMs, pass: 1, dirtyBytesPerS: 0 }));
      if (switchoverBytesPerS !== undefined) told.push(switchoverBytesPerS);
    }
    expect(told).toEqual([MB]);
  });
});
