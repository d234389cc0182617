import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBenchArguments } from '../../../bench/bench-arguments.ts';
import { compareUsage } from '../../../bench/compare-usage.ts';
import { spreadOf } from '../../../bench/spread.ts';
import type { UsageReport } from '../../lab/verify/process-usage.ts';

describe('the benchmark’s command line', () => {
  it.each([
    ['--rans', '3'],
    ['3'],
    ['--runs', '0'],
    ['--runs', '1e1'],
    ['--runs', '101'],
    ['--idle', '4'],
    ['--json'],
  ])('is refused as %s %s', (...args: string[]) => {
    expect(() => parseBenchArguments(args)).toThrow(expect.objectContaining({ kind: 'usage' }));
  });

  it('has three runs of a minute unless told otherwise', () => {
    const usual = { runs: 3, idleSeconds: 60, json: undefined, help: false };
    expect(parseBenchArguments([])).toEqual(usual);
    expect(parseBenchArguments(['--runs', '12', '--idle', '5', '--json', 'f'])).toEqual({
      ...usual,
      runs: 12,
      idleSeconds: 5,
      json: 'f',
    });
  });
});

describe('the spread of runs', () => {
  it('of no run is an error, not a zero', () => {
    expect(() => spreadOf([])).toThrow(RangeError);
  });

  it('takes the middle one of an odd number, between the middle two of an even one', () => {
    expect(spreadOf([9, 1, 10])).toEqual({ median: 9, min: 1, max: 10, runs: 3 });
    expect(spreadOf([9, 1, 10, 2])).toEqual({ median: 5.5, min: 1, max: 10, runs: 4 });
  });

  it('has as many values at or below the median as at or above it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const { median, min, max } = spreadOf(values);
        expect(min).toBe(Math.min(...values));
        expect(max).toBe(Math.max(...values));
        expect(values.filter((value) => value <= median).length).toBeGreaterThanOrEqual(values.length / 2);
        expect(values.filter((value) => value >= median).length).toBeGreaterThanOrEqual(values.length / 2);
      }),
    );
  });
});

describe('two readings of idle processes', () => {
  const report = (clockMs: number, ...processes: [pid: number, anonymousKiB: number, cpuMs: number][]) =>
    ({
      clockMs,
      processes: processes.map(([pid, anonymousKiB, cpuMs]) => ({ pid, command: [], anonymousKiB, cpuMs })),
    }) satisfies UsageReport;

  it('say nothing where a process was restarted in between', () => {
    expect(() => compareUsage(report(0, [7, 100, 50]), report(60_000, [8, 100, 10]))).toThrow('from 7 to 8');
  });

  it('say nothing where a process has gone', () => {
    expect(() => compareUsage(report(0, [7, 100, 50]), report(60_000))).toThrow('from 7 to none');
  });

  it('say nothing where no time passed', () => {
    expect(() => compareUsage(report(5, [7, 100, 50]), report(5, [7, 100, 50]))).toThrow('no time');
  });

  it('give each process its memory at the end and its CPU time as of one minute', () => {
    const before = report(1_000, [7, 100, 50], [9, 10, 0]);
    const after = report(31_000, [7, 120, 110], [9, 8, 0]);
    expect(compareUsage(before, after)).toEqual([
      { anonymousKiB: 120, cpuMsPerMinute: 120 },
      { anonymousKiB: 8, cpuMsPerMinute: 0 },
    ]);
  });
});
