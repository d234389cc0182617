import { type Figure, ratioOf, type TripSummary } from './summarize-trips.ts';

/** One limit of the project, and what was measured. */
export interface Judgement {
  readonly limit: string;
  /** In words; undefined where it was not measured. */
  readonly seen: string | undefined;
  readonly holds: boolean | undefined;
}

type Find = (load: TripSummary['load'], trip: TripSummary['trip']) => TripSummary | undefined;

/** What a move at 70 Mbit/s has to be, by medians. That is said, and fails nothing: it is a measurement on one machine. */
export function judgeLimits(summaries: readonly TripSummary[]): Judgement[] {
  const find: Find = (load, trip) =>
    summaries.find((one) => one.link === 'wifi70' && one.load === load && one.trip === trip);
  const idleDock = find('idle', 'dock');
  const idleReturn = find('idle', 'return');
  const fullDock = find('page-cache', 'dock');
  const warmed = withOthers(find('page-cache', 'warmed'), fullDock);
  return [
    atMost('idle, dock: bytes of wdock against stock', idleDock, 'wireBytes', 'stock', 0.18),
    atMost('idle, dock: bytes of wdock against stock-best', idleDock, 'wireBytes', 'stock-best', 1),
    atMost('idle, return: bytes of wdock against stock', idleReturn, 'wireBytes', 'stock', 0.03),
    atMost('idle, return: bytes of wdock against stock-best', idleReturn, 'wireBytes', 'stock-best', 0.2),
    atMost('idle, return: time of wdock against stock', idleReturn, 'totalMs', 'stock', 0.08),
    atMost('page-cache, dock: bytes of wdock against stock', fullDock, 'wireBytes', 'stock', 0.12),
    atMost('page-cache, after a warm-up: time of wdock against stock', warmed, 'totalMs', 'stock', 0.05),
    ...summaries
      .filter(({ link }) => link === 'wifi70')
      .map((one) => {
        const compared = one.trip === 'warmed' ? withOthers(one, find(one.load, 'dock')) : one;
        const what = `${one.load}, ${one.trip}: downtime of wdock against stock`;
        return atMost(what, compared, 'downtimeMs', 'stock', 1);
      }),
    ...[idleDock, idleReturn].map((one, index) => shortDowntime(index === 0 ? 'dock' : 'return', one)),
  ];
}

/** QEMU alone has no warm-up: what it takes is its dock. */
function withOthers(warmed: TripSummary | undefined, dock: TripSummary | undefined): TripSummary | undefined {
  return warmed && { ...warmed, systems: { ...dock?.systems, ...warmed.systems } };
}

function atMost(
  what: string,
  summary: TripSummary | undefined,
  figure: Figure,
  against: 'stock' | 'stock-best',
  most: number,
): Judgement {
  const ratio = summary && ratioOf(summary, figure, 'wdock', against);
  const percent = (value: number) => `${(value * 100).toFixed(value < 0.1 ? 1 : 0)} %`;
  const limit = `${what}: at most ${percent(most)}`;
  if (ratio === undefined) return { limit, seen: undefined, holds: undefined };
  return { limit, seen: percent(ratio), holds: ratio <= most };
}

const downtimeLimitMs = 100;

function shortDowntime(trip: string, summary: TripSummary | undefined): Judgement {
  const median = summary?.systems.wdock?.downtimeMs?.median;
  return {
    limit: `idle, ${trip}: downtime of wdock: at most ${downtimeLimitMs} ms`,
    seen: median === undefined ? undefined : `${Math.round(median)} ms`,
    holds: median === undefined ? undefined : median <= downtimeLimitMs,
  };
}
