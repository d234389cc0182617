import { type Metric, metricNames, metrics, type RunFigures } from './metrics.ts';
import { type Spread, spreadOf } from './spread.ts';

/** The spread of each metric over the runs that have it. */
export function summarize(runs: readonly RunFigures[]): Partial<Record<Metric, Spread>> {
  const spreads: Partial<Record<Metric, Spread>> = {};
  for (const name of metricNames) {
    const values = runs.map((run) => run[name]).filter((value) => value !== undefined);
    if (values.length > 0) spreads[name] = spreadOf(values);
  }
  return spreads;
}

/** A table for people; a metric that no run has is shown as missing, not left out. */
export function renderFigures(runs: readonly RunFigures[]): string {
  const spreads = summarize(runs);
  const lines = [row('', ['median', 'min', 'max'], '')];
  let group = '';
  for (const name of metricNames) {
    const { title, unit, scale, group: own } = metrics[name];
    if (own !== group) lines.push(own);
    group = own;
    const spread = spreads[name];
    const shown = spread && [spread.median, spread.min, spread.max].map((value) => render(value / scale));
    const short = spread !== undefined && spread.runs < runs.length ? ` (${spread.runs} runs)` : '';
    lines.push(row(`  ${title}`, shown ?? ['-', '-', '-'], `${unit}${short}`));
  }
  return lines.map((line) => line.trimEnd()).join('\n');
}

function row(title: string, values: readonly string[], unit: string): string {
  return `${title.padEnd(38)}${values.map((value) => value.padStart(9)).join('')} ${unit}`;
}

/** Three digits that count; whole numbers from a hundred on. */
function render(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
