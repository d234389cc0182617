import type { GuestLoad } from '../../test/lab/loads/load-names.ts';
import type { LinkShapeName } from '../../test/lab/network/link-shape.ts';
import { type Spread, spreadOf } from '../spread.ts';
import { type MeasuredTrip, type SystemName, systemNames, type TripName } from './figures.ts';

/** Each reads one figure of a trip; null where there is none. */
const readers = {
  wireBytes: ({ run }: MeasuredTrip) => run.wireBytes,
  totalMs: ({ run }: MeasuredTrip) => run.totalMs,
  downtimeMs: ({ run }: MeasuredTrip) => run.downtimeMs,
  networkGapMs: ({ run }: MeasuredTrip) => run.networkGapMs,
  linkUse: ({ run }: MeasuredTrip) => run.linkUse,
  sourceCpuMs: ({ run }: MeasuredTrip) => run.cpuMs.source,
  targetCpuMs: ({ run }: MeasuredTrip) => run.cpuMs.target,
  moveMs: ({ details }: MeasuredTrip) => details.moveMs,
  wholeMs: ({ details }: MeasuredTrip) => details.wholeMs,
  ownBytes: ({ details }: MeasuredTrip) => details.ownBytes,
  wholeBytes: ({ details }: MeasuredTrip) => details.wholeBytes,
  sourcePeakKiB: ({ details }: MeasuredTrip) => details.peakKiB?.source ?? null,
  machineLoad: ({ details }: MeasuredTrip) => details.machineLoad,
  targetPeakKiB: ({ details }: MeasuredTrip) => details.peakKiB?.target ?? null,
} satisfies Record<string, (trip: MeasuredTrip) => number | null>;
export type Figure = keyof typeof readers;
export type FigureSpreads = Readonly<Partial<Record<Figure, Spread>>>;

/** The same trip with the same load on the same link, by each system. */
export interface TripSummary {
  readonly link: LinkShapeName;
  readonly load: GuestLoad;
  readonly trip: TripName;
  readonly workMinutes: number | null;
  readonly systems: Readonly<Partial<Record<SystemName, FigureSpreads>>>;
}

/** In the order in which they were first measured. */
export function summarizeTrips(trips: readonly MeasuredTrip[]): TripSummary[] {
  const groups = Map.groupBy(trips, ({ run, details }) =>
    [run.link, run.load, run.trip, details.workMinutes].join(' '),
  );
  return [...groups.values()].map((group) => {
    const [{ run, details }] = group as [MeasuredTrip];
    const measured = systemNames.flatMap((system) => {
      const own = group.filter((one) => one.run.system === system);
      return own.length === 0 ? [] : [[system, spreadsOf(own)] as const];
    });
    return {
      ...{ link: run.link, load: run.load, trip: run.trip, workMinutes: details.workMinutes },
      systems: Object.fromEntries(measured),
    };
  });
}

/** Median against median; undefined where one of them was not measured, or is nothing to divide by. */
export function ratioOf(
  { systems }: TripSummary,
  figure: Figure,
  of: SystemName,
  against: SystemName,
): number | undefined {
  const [above, below] = [systems[of]?.[figure]?.median, systems[against]?.[figure]?.median];
  return above === undefined || below === undefined || below === 0 ? undefined : above / below;
}

function spreadsOf(trips: readonly MeasuredTrip[]): FigureSpreads {
  const entries = Object.entries(readers).flatMap(([figure, read]) => {
    const values = trips.map(read).filter((value) => value !== null);
    return values.length === 0 ? [] : [[figure, spreadOf(values)] as const];
  });
  return Object.fromEntries(entries);
}
