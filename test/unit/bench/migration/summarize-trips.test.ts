import { describe, expect, it } from 'vitest';
import { ratioOf, summarizeTrips, type TripSummary } from '../../../../bench/migration/summarize-trips.ts';
import { measured } from './measured.ts';

describe('the summary of trips', () => {
  it('keeps ways back after different work apart', () => {
    const summaries = summarizeTrips([
      measured('wdock', 'return', { totalMs: 1 }, { workMinutes: 1 }),
      measured('wdock', 'return', { totalMs: 3 }, { workMinutes: 30 }),
    ]);
    expect(summaries.map(({ workMinutes }) => workMinutes)).toEqual([1, 30]);
  });

  it('puts the systems of one trip beside each other, with the spread of their runs', () => {
    const [only, ...others] = summarizeTrips([
      measured('stock', 'dock', { totalMs: 40 }),
      measured('wdock', 'dock', { totalMs: 9 }),
      measured('stock', 'dock', { totalMs: 60 }),
      measured('wdock', 'dock', { totalMs: 11 }),
    ]);
    expect(others).toEqual([]);
    expect(only?.systems.stock?.totalMs).toEqual({ median: 50, min: 40, max: 60, runs: 2 });
    expect(ratioOf(only as TripSummary, 'totalMs', 'wdock', 'stock')).toBe(0.2);
  });

  it('has no ratio to a system that was not measured, nor to a figure that was not given', () => {
    const [summary] = summarizeTrips([
      measured('stock', 'dock', { downtimeMs: null }),
      measured('wdock', 'dock'),
    ]) as [TripSummary];
    expect(ratioOf(summary, 'totalMs', 'wdock', 'stock-best')).toBeUndefined();
    expect(ratioOf(summary, 'downtimeMs', 'wdock', 'stock')).toBeUndefined();
    expect(summary.systems.stock).not.toHaveProperty('downtimeMs');
  });
});
