import { z } from 'zod';
import { PageJourney } from '../../protocol/page-exchange.ts';
import { guestLoads } from '../../test/lab/loads/load-names.ts';
import { linkShapeNames } from '../../test/lab/network/link-shape.ts';

/** QEMU alone as it comes, QEMU alone with all that helps it, and Wireless Dock+. */
export const systemNames = ['stock', 'stock-best', 'wdock'] as const;
export type SystemName = (typeof systemNames)[number];

/** The first way to the PC, the way back, the second way there, and a first way after a warm-up. */
const tripNames = ['dock', 'return', 'redock', 'warmed'] as const;
export type TripName = (typeof tripNames)[number];

/** One trip, as it was measured from outside, by the same means for every system. */
export const MigrationRun = z.strictObject({
  load: z.enum(guestLoads),
  link: z.enum(linkShapeNames),
  system: z.enum(systemNames),
  trip: z.enum(tripNames),
  /** What the target's interface carried, in and out, from the asking until the VM ran there. */
  wireBytes: z.number(),
  /** From the asking until the VM ran at the other end. */
  totalMs: z.number(),
  /** QEMU's own figure; null where it gave none. */
  downtimeMs: z.number().nullable(),
  /** The longest silence that the client on the LAN saw, from the asking until the guest answered afterwards. */
  networkGapMs: z.number(),
  /** Of what iperf3 gets on the same link, per cent, while the bulk was sent. */
  linkUse: z.number(),
  /** Of QEMU and wdockd until the VM ran there, without what the guest's own processor did. */
  cpuMs: z.strictObject({ source: z.number(), target: z.number() }),
});
export type MigrationRun = z.infer<typeof MigrationRun>;

/** What else was seen of the trip with the same place in `runs`. */
export const MigrationDetails = z.strictObject({
  /** Which repetition of the whole benchmark. */
  repetition: z.int(),
  /** So many minutes of work were done since the trip before; null where there was none. */
  workMinutes: z.number().nullable(),
  /** The move itself: of wdock without what is asked and decided before it; of stock the same as `totalMs`. */
  moveMs: z.number(),
  /** Until the command returned: of wdock with adapting and verifying; of stock the same as `totalMs`. */
  wholeMs: z.number(),
  /** The system's own figure of what it sent. */
  ownBytes: z.number(),
  /** What the interface carried until the command returned. */
  wholeBytes: z.number(),
  /** The processor of the guest, which is emulated by QEMU's threads of that name. */
  guestCpuMs: z.strictObject({ source: z.number(), target: z.number() }),
  /** Of wdockd at both ends, resident memory; null for stock. */
  peakKiB: z.strictObject({ source: z.number(), target: z.number() }).nullable(),
  stages: z.array(z.strictObject({ name: z.string(), ms: z.number() })),
  /** Of wdock: how the guest's pages went; null for stock. */
  pages: PageJourney.nullable(),
  /** What the load of the guest had done since the trip before, in its own unit. */
  loadDone: z.number(),
  /** Of the machine that plays both devices, over the minute before the end of the trip: more than its CPUs is noise. */
  machineLoad: z.number(),
});
export type MigrationDetails = z.infer<typeof MigrationDetails>;

export interface MeasuredTrip {
  readonly run: MigrationRun;
  readonly details: MigrationDetails;
}
