import type { MeasuredTrip, SystemName, TripName } from '../../../../bench/migration/figures.ts';

/** A trip of which a test cares for some figures. */
export function measured(
  system: SystemName,
  trip: TripName,
  figures: Partial<MeasuredTrip['run']> = {},
  details: Partial<MeasuredTrip['details']> = {},
): MeasuredTrip {
  return {
    run: {
      ...{ load: 'idle', link: 'wifi70', system, trip },
      ...{ wireBytes: 1e6, totalMs: 1000, downtimeMs: 50, networkGapMs: 60, linkUse: 95 },
      cpuMs: { source: 10, target: 20 },
      ...figures,
    },
    details: {
      ...{ repetition: 1, workMinutes: null, moveMs: 900, wholeMs: 1200, ownBytes: 9e5, wholeBytes: 11e5 },
      ...{
        guestCpuMs: { source: 1, target: 2 },
        peakKiB: null,
        stages: [],
        pages: null,
        loadDone: 0,
        machineLoad: 1,
      },
      ...details,
    },
  };
}
