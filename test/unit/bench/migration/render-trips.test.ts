import { describe, expect, it } from 'vitest';
import { drawTrips } from '../../../../bench/migration/draw-trips.ts';
import { judgeLimits } from '../../../../bench/migration/judge-limits.ts';
import { buildResult, MigrationResult } from '../../../../bench/migration/migration-result.ts';
import { renderComparison, renderJudgements, renderWdock } from '../../../../bench/migration/render-trips.ts';
import { summarizeTrips } from '../../../../bench/migration/summarize-trips.ts';
import { measured } from './measured.ts';

const trips = [
  measured('stock', 'dock', { totalMs: 38_000, wireBytes: 300e6, downtimeMs: 300 }),
  measured('stock-best', 'dock', { totalMs: 7_000, wireBytes: 60e6, downtimeMs: 250 }),
  measured('wdock', 'dock', { totalMs: 7_600, wireBytes: 57e6, downtimeMs: 120 }),
];

describe('the table of the comparison', () => {
  const text = renderComparison(summarizeTrips(trips));

  it('shows every system under the trip, and wdock against each', () => {
    expect(text).toMatch(/^wifi70, idle, dock\n {2}stock +38\.0 +300 +300 /m);
    expect(text).toMatch(/^ {2}\/ stock +0\.20 x +0\.19 x +0\.40 x/m);
    expect(text).toMatch(/^ {2}\/ stock-best +1\.09 x +0\.95 x/m);
  });

  it('shows a loss as a ratio above 1', () => {
    const slow = [measured('stock', 'dock', { totalMs: 1000 }), measured('wdock', 'dock', { totalMs: 2500 })];
    expect(renderComparison(summarizeTrips(slow))).toMatch(/^ {2}\/ stock +2\.50 x/m);
  });

  it('has least and greatest below the median where there are several runs, and not where there is one', () => {
    expect(text).not.toContain('..');
    const twice = [...trips, measured('wdock', 'dock', { totalMs: 9_600, wireBytes: 57e6 })];
    expect(renderComparison(summarizeTrips(twice))).toMatch(/^ +7\.60\.\.9\.60 +57\.0\.\.57\.0/m);
  });

  it('shows of wdock what the move is of the whole, and of others nothing', () => {
    expect(renderWdock(summarizeTrips(trips))).toMatch(
      /^wifi70, idle, dock\n {2}wdock +0\.90 +7\.60 +1\.20/m,
    );
    expect(renderWdock(summarizeTrips(trips.slice(0, 2)))).toBe('');
  });
});

describe('the limits', () => {
  const verdicts = renderJudgements(judgeLimits(summarizeTrips(trips)));

  it('are said to hold, not to hold, or not to have been measured', () => {
    expect(verdicts).toContain(
      'DOES NOT HOLD idle, dock: bytes of wdock against stock: at most 18 %; seen: 19 %',
    );
    expect(verdicts).toContain(
      'holds         idle, dock: bytes of wdock against stock-best: at most 100 %; seen: 95 %',
    );
    expect(verdicts).toMatch(/not measured {2}idle, return: time of wdock against stock: at most 8\.0 %$/m);
    expect(verdicts).toContain('idle, dock: downtime of wdock: at most 100 ms; seen: 120 ms');
  });

  it('compare a dock after a warm-up with a dock of stock, which has no warm-up', () => {
    const full = [
      measured('stock', 'dock', { load: 'page-cache', totalMs: 60_000 }),
      measured('wdock', 'warmed', { load: 'page-cache', totalMs: 2_400 }),
    ];
    expect(renderJudgements(judgeLimits(summarizeTrips(full)))).toContain(
      'holds         page-cache, after a warm-up: time of wdock against stock: at most 5.0 %; seen: 4.0 %',
    );
  });
});

describe('the result in JSON', () => {
  const on = { accelerator: 'tcg', qemu: 'QEMU 10.0.2', machine: { cpus: 2 }, linkMbit: [] };

  it('has the trips with exactly the fields that were agreed', () => {
    const result = buildResult(trips, on, judgeLimits(summarizeTrips(trips)), []);
    const written: unknown = JSON.parse(JSON.stringify(result));
    expect(MigrationResult.parse(written)).toEqual(result);
    expect(Object.keys(result.runs[0] ?? {})).toEqual([
      ...['load', 'link', 'system', 'trip', 'wireBytes', 'totalMs', 'downtimeMs', 'networkGapMs', 'linkUse'],
      'cpuMs',
    ]);
    expect(result.details).toHaveLength(result.runs.length);
  });
});

describe('the picture', () => {
  it('has the values of the paper for a link that it measured, and none for another', () => {
    const wifi = drawTrips(summarizeTrips(trips), '');
    expect(wifi).toContain('>110</text>');
    expect(wifi).toContain('>OpenGL collaboration</text>');
    const unshaped = drawTrips(summarizeTrips([measured('wdock', 'dock', { link: 'unshaped' })]), '');
    expect(unshaped).not.toContain('OpenGL');
  });

  it('draws every bar inside of the picture, the longest as long as the panel', () => {
    const picture = drawTrips(summarizeTrips(trips), '');
    const width = Number(/viewBox="0 0 (\d+)/.exec(picture)?.[1]);
    const bars = [...picture.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)];
    expect(bars.length).toBeGreaterThan(6);
    for (const [, x, length] of bars) expect(Number(x) + Number(length)).toBeLessThanOrEqual(width);
  });

  it('shows names as text, whatever is in them', () => {
    expect(drawTrips([], 'a < b & c')).toContain('a &lt; b &amp; c');
  });
});
