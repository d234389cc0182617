import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseLoopback } from '../../../host-plugins/metrics/loopback-address.ts';
import { Histogram } from '../../../host-plugins/metrics/metric-kinds.ts';
import { renderMetrics } from '../../../host-plugins/metrics/metric-text.ts';
import { stateMetrics } from '../../../host-plugins/metrics/state-metrics.ts';
import { TripMetrics } from '../../../host-plugins/metrics/trip-metrics.ts';
import type { ProgressEvent } from '../../../protocol/progress-event.ts';
import { docked } from '../cli/trip-outcome.ts';

describe('the text for Prometheus', () => {
  it('keeps labels together that try to get out of their quotes', () => {
    const samples = [{ labels: { of: 'a"b\\c\nd' }, value: 1 }];
    expect(renderMetrics([{ name: 'x', help: 'back\\slash\nline', type: 'gauge', samples }])).toBe(
      '# HELP x back\\\\slash\\nline\n# TYPE x gauge\nx{of="a\\"b\\\\c\\nd"} 1\n',
    );
  });

  it('has a family without samples as a promise of some', () => {
    expect(renderMetrics([{ name: 'x_total', help: 'h', type: 'counter', samples: [] }])).toBe(
      '# HELP x_total h\n# TYPE x_total counter\n',
    );
  });
});

it('a histogram counts what is on a bound below it, and each bucket has those below it', () => {
  const histogram = new Histogram({ name: 'x_seconds', help: 'h' }, [1, 2]);
  for (const value of [0.5, 1, 1.5, 9]) histogram.observe({ of: 'a' }, value);
  expect(renderMetrics([histogram.family()]).split('\n').slice(2, -1)).toEqual([
    'x_seconds_bucket{of="a",le="1"} 2',
    'x_seconds_bucket{of="a",le="2"} 3',
    'x_seconds_bucket{of="a",le="+Inf"} 4',
    'x_seconds_sum{of="a"} 12',
    'x_seconds_count{of="a"} 4',
  ]);
});

describe('metrics of trips', () => {
  const started: ProgressEvent = {
    kind: 'trip-started',
    at: 1,
    trip: 'dock',
    workspace: 'work',
    from: 'mid',
    to: 'pc',
    simulated: false,
  };
  const text = (...events: ProgressEvent[]) => {
    const metrics = new TripMetrics();
    for (const event of events) metrics.hear('work', event);
    return renderMetrics(metrics.families());
  };

  it('tell those that failed from those that were cancelled, and measure neither', () => {
    const failed = (kind: 'cancelled' | 'peer-gone'): ProgressEvent => ({
      kind: 'trip-failed',
      at: 2,
      error: { kind, message: '' },
    });
    const shown = text(started, failed('peer-gone'), started, failed('cancelled'), started);
    expect(shown).toContain('wdock_trips_total{trip="dock",outcome="failed"} 1\n');
    expect(shown).toContain('wdock_trips_total{trip="dock",outcome="cancelled"} 1\n');
    expect(shown).toContain('wdock_trips_running 1\n');
    expect(shown).not.toContain('duration_seconds_count');
  });

  it('are in seconds and bytes', () => {
    const shown = text(started, { kind: 'trip-done', at: 3, outcome: docked });
    expect(shown).toContain('wdock_trip_duration_seconds_sum{trip="dock"} 21.34\n');
    expect(shown).toContain('wdock_trip_downtime_seconds_bucket{trip="dock",le="0.1"} 1\n');
    expect(shown).toContain('wdock_trip_stage_duration_seconds_sum{trip="dock",stage="transfer"} 17.48\n');
    expect(shown).toContain('wdock_trip_sent_bytes_total{trip="dock"} 61431808\n');
  });
});

it('docs/wdockd.md has every metric that there is', async () => {
  const guide = await readFile(new URL('../../../docs/wdockd.md', import.meta.url), 'utf8');
  const process = { residentBytes: 1, heapBytes: 1, cpuSeconds: 1, startedAtSeconds: 1 };
  const present = { version: '1', workspaces: [], devices: { trusted: 0, connected: 0 }, process };
  for (const { name } of [...stateMetrics(present), ...new TripMetrics().families()])
    expect(guide).toContain(`\`${name}\``);
});

it.each([
  ['127.0.0.1:9744', { host: '127.0.0.1', port: 9744 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['127.0.0.256:1', undefined],
  ['127.0.0.1:65536', undefined],
  ['127.0.0.1', undefined],
  ['128.0.0.1:1', undefined],
  ['[::]:1', undefined],
])('%s is an address of this computer only: %j', (text, expected) => {
  expect(parseLoopback(text)).toEqual(expected);
});
