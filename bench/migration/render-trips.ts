import type { Spread } from '../spread.ts';
import type { SystemName } from './figures.ts';
import type { Judgement } from './judge-limits.ts';
import { type Figure, type FigureSpreads, ratioOf, type TripSummary } from './summarize-trips.ts';

interface Column {
  readonly title: string;
  readonly figure: Figure;
  readonly scale: number;
}

const compared: readonly Column[] = [
  { title: 'total s', figure: 'totalMs', scale: 1000 },
  { title: 'wire MB', figure: 'wireBytes', scale: 1e6 },
  { title: 'downtime ms', figure: 'downtimeMs', scale: 1 },
  { title: 'silence ms', figure: 'networkGapMs', scale: 1 },
  { title: 'link use %', figure: 'linkUse', scale: 1 },
  { title: 'CPU source s', figure: 'sourceCpuMs', scale: 1000 },
  { title: 'CPU target s', figure: 'targetCpuMs', scale: 1000 },
  { title: 'machine load', figure: 'machineLoad', scale: 1 },
];

const ofWdock: readonly Column[] = [
  { title: 'move s', figure: 'moveMs', scale: 1000 },
  { title: 'until running s', figure: 'totalMs', scale: 1000 },
  { title: 'whole trip s', figure: 'wholeMs', scale: 1000 },
  { title: 'sent MB', figure: 'ownBytes', scale: 1e6 },
  { title: 'whole wire MB', figure: 'wholeBytes', scale: 1e6 },
  { title: 'peak source MiB', figure: 'sourcePeakKiB', scale: 1024 },
  { title: 'peak target MiB', figure: 'targetPeakKiB', scale: 1024 },
];

const titleWidth = 14;

/** Every system under the others, with its spread, and what wdock is against each; medians. */
export function renderComparison(summaries: readonly TripSummary[]): string {
  const lines = [
    row(
      '',
      compared.map(({ title }) => title),
    ),
  ];
  for (const summary of summaries) {
    lines.push(titleOf(summary));
    for (const [system, figures] of entriesOf(summary)) lines.push(...spreadRows(system, figures, compared));
    for (const against of ['stock', 'stock-best'] as const) {
      const ratios = compared
        .filter(({ figure }) => figure !== 'machineLoad')
        .map(({ figure }) => ratioOf(summary, figure, 'wdock', against));
      if (ratios.every((ratio) => ratio === undefined)) continue;
      lines.push(
        row(
          `  / ${against}`,
          ratios.map((ratio) => (ratio === undefined ? '-' : `${digits(ratio)} x`)),
        ),
      );
    }
  }
  return lines.join('\n');
}

/** What a trip of wdock takes beyond the move that QEMU alone makes as well. */
export function renderWdock(summaries: readonly TripSummary[]): string {
  const lines = [
    row(
      '',
      ofWdock.map(({ title }) => title),
    ),
  ];
  for (const summary of summaries) {
    const figures = summary.systems.wdock;
    if (figures !== undefined) lines.push(titleOf(summary), ...spreadRows('wdock', figures, ofWdock));
  }
  return lines.length === 1 ? '' : lines.join('\n');
}

export function renderJudgements(judgements: readonly Judgement[]): string {
  return judgements
    .map(({ limit, seen, holds }) => {
      const verdict = holds === undefined ? 'not measured' : holds ? 'holds' : 'DOES NOT HOLD';
      return `  ${verdict.padEnd(14)}${limit}${seen === undefined ? '' : `; seen: ${seen}`}`;
    })
    .join('\n');
}

function titleOf({ link, load, trip, workMinutes }: TripSummary): string {
  const work = workMinutes === null ? '' : ` after ${workMinutes} min of it`;
  return `${link}, ${load}, ${trip}${work}`;
}

function entriesOf({ systems }: TripSummary): [SystemName, FigureSpreads][] {
  return Object.entries(systems) as [SystemName, FigureSpreads][];
}

function spreadRows(title: string, figures: FigureSpreads, columns: readonly Column[]): string[] {
  const spreads = columns.map(({ figure, scale }) => [figures[figure], scale] as const);
  const medians = spreads.map(([spread, scale]) =>
    spread === undefined ? '-' : digits(spread.median / scale),
  );
  const several = spreads.some(([spread]) => (spread?.runs ?? 0) > 1);
  const ranges = spreads.map(([spread, scale]) => (spread === undefined ? '' : rangeOf(spread, scale)));
  return [row(`  ${title}`, medians), ...(several ? [row('', ranges)] : [])];
}

function rangeOf({ min, max }: Spread, scale: number): string {
  return `${digits(min / scale)}..${digits(max / scale)}`;
}

function row(title: string, cells: readonly string[]): string {
  return `${title.padEnd(titleWidth)}${cells.map((cell) => ` ${cell.padStart(15)}`).join('')}`.trimEnd();
}

/** Three digits that count; whole numbers from a hundred on. */
function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}
