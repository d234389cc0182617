import { describe, expect, it } from 'vitest';
import {
  longestSilence,
  silenceLimitMs,
  stageAt,
  summarizeSilences,
  type TripNetwork,
} from '../../lab/watch/trip-network.ts';

const trip = (downtimeMs: number, ...silencesMs: number[]): TripNetwork => ({
  kind: 'dock',
  downtimeMs,
  silences: silencesMs.map((longestMs, at) => ({ of: `thing ${at}`, longestMs, during: 'hand-over' })),
  newConnections: [],
  datagramsLost: 0,
});

describe('the silences of several trips', () => {
  it('cannot be summed up where there was no trip', () => {
    expect(() => summarizeSilences([])).toThrow(RangeError);
  });

  it('are judged each by the downtime of its own trip', () => {
    const trips = [trip(100, 401), trip(400, 401), trip(100, 400)];
    expect(summarizeSilences(trips).withinLimit).toBe(2);
    expect(silenceLimitMs(100)).toBe(400);
  });

  it('count by what was silent for longest', () => {
    expect(longestSilence(trip(100, 30, 90, 60))).toMatchObject({ of: 'thing 1', longestMs: 90 });
  });

  it('have a median and a worst', () => {
    expect(summarizeSilences([trip(1, 40), trip(1, 10), trip(1, 30)])).toMatchObject({
      medianMs: 30,
      worstMs: 40,
    });
    expect(summarizeSilences([trip(1, 40), trip(1, 10)])).toMatchObject({ medianMs: 25, trips: 2 });
  });
});

describe('the stage that a silence began in', () => {
  const stages = [
    { stage: 'transfer', atMs: 1_000 },
    { stage: 'hand-over', atMs: 2_000 },
  ] as const;

  it('is none before the first', () => {
    expect(stageAt(stages, 999)).toBeUndefined();
  });

  it('is the one that began last until then', () => {
    expect(stageAt(stages, 1_999)).toBe('transfer');
    expect(stageAt(stages, 2_000)).toBe('hand-over');
    expect(stageAt(stages, 9_000)).toBe('hand-over');
  });
});
