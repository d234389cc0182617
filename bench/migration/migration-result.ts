import { z } from 'zod';
import { type MeasuredTrip, MigrationDetails, MigrationRun } from './figures.ts';
import type { Judgement } from './judge-limits.ts';

/** A trip, or all of a cycle, that gave no figures, and why. */
export interface Unfinished {
  readonly what: string;
  readonly kind: string;
  readonly reason: string;
}

/** What `--json` writes: the trips in `runs`, and beside each, at the same place in `details`, what else was seen of it. */
export const MigrationResult = z.strictObject({
  runs: z.array(MigrationRun),
  details: z.array(MigrationDetails),
  simulated: z.literal(true),
  accelerator: z.string(),
  qemu: z.string(),
  machine: z.record(z.string(), z.union([z.string(), z.number()])),
  /** By iperf3, each time that it was asked, Mbit/s. */
  linkMbit: z.array(z.strictObject({ link: z.string(), toPc: z.number(), toMid: z.number() })),
  limits: z.array(
    z.strictObject({ limit: z.string(), seen: z.string().nullable(), holds: z.boolean().nullable() }),
  ),
  unfinished: z.array(z.strictObject({ what: z.string(), kind: z.string(), reason: z.string() })),
});
export type MigrationResult = z.infer<typeof MigrationResult>;

export type MeasuredOn = Pick<MigrationResult, 'accelerator' | 'qemu' | 'machine' | 'linkMbit'>;

export function buildResult(
  trips: readonly MeasuredTrip[],
  on: MeasuredOn,
  judgements: readonly Judgement[],
  unfinished: readonly Unfinished[],
): MigrationResult {
  return {
    runs: trips.map(({ run }) => run),
    details: trips.map(({ details }) => details),
    simulated: true,
    ...on,
    limits: judgements.map(({ limit, seen = null, holds = null }) => ({ limit, seen, holds })),
    unfinished: [...unfinished],
  };
}
