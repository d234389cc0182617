import { describe, expect, it } from 'vitest';
import {
  longestSilence,
  silenceLimitMs,
  summarizeSilences,
  type TripNetwork,
} from '../../lab/watch/trip-network.ts';

const trip = (downtimeMs: number, ...silencesMs: number[]): TripNetwork => ({
  kind: 'dock',
  downtimeMs,
  silences: silencesMs.map((longestMs, at) => ({ of: `thing ${at}`, longestMs })),
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
    expect(longestSilence(trip(100, 30, 90, 60))).toEqual({ of: 'thing 1', longestMs: 90 });
  });

  it('have a median and a worst', () => {
    expect(summarizeSilences([trip(1, 40), trip(1, 10), trip(1, 30)])).toMatchObject({
      medianMs: 30,
      worstMs: 40,
    });
    expect(summarizeSilences([trip(1, 40), trip(1, 10)])).toMatchObject({ medianMs: 25, trips: 2 });
  });
});
