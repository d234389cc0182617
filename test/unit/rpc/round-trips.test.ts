import { describe, expect, it } from 'vitest';
import { RoundTrips } from '../../../host-plugins/rpc/round-trips.ts';

describe('the round trips of heartbeats', () => {
  it('are lost where the next ping is due before the answer, also when that comes late', () => {
    const trips = new RoundTrips();
    const first = trips.sent(0);
    expect(first.missed).toBeUndefined();
    const second = trips.sent(2_000);
    expect(second.missed).toEqual({ rttMs: undefined, lossShare: 1 });
    expect(trips.answered(first.payload, 2_001)).toBeUndefined();
    expect(trips.answered(second.payload, 2_004)).toEqual({ rttMs: 4, lossShare: 0.5 });
  });

  it('are not those of an answer that was not asked for, or comes twice', () => {
    const trips = new RoundTrips();
    expect(trips.answered('', 1)).toBeUndefined();
    const { payload } = trips.sent(0);
    expect(trips.answered('17', 1)).toBeUndefined();
    expect(trips.answered(payload, 5)).toEqual({ rttMs: 5, lossShare: 0 });
    expect(trips.answered(payload, 6)).toBeUndefined();
  });

  it('forget a loss after eight more pings', () => {
    const trips = new RoundTrips();
    trips.sent(0);
    const shares = Array.from({ length: 8 }, (_, at) => {
      const { payload } = trips.sent(at + 1);
      return trips.answered(payload, at + 1)?.lossShare;
    });
    expect(shares.slice(0, 2)).toEqual([1 / 2, 1 / 3]);
    expect(shares.at(-1)).toBe(0);
  });
});
