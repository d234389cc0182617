import { z } from 'zod';
import { Resource } from './allocation.ts';
import { PageJourney } from './page-exchange.ts';

/** One thing that is not as the allocation asked, and why. A shortfall never fails a move. */
export const Shortfall = z.strictObject({
  resource: z.union([Resource, z.enum(['services', 'power', 'clock', 'agent'])]),
  requested: z.string(),
  actual: z.string(),
  reason: z.string(),
});
export type Shortfall = z.infer<typeof Shortfall>;

/** The guest as the outcome shows it: every number was read inside the guest. */
export const GuestSummary = z.strictObject({
  vcpus: z.int(),
  memoryMiB: z.number(),
  display: z.strictObject({ width: z.int(), height: z.int(), scale: z.number() }).nullable(),
  network: z.strictObject({ mode: z.string().nullable(), addresses: z.array(z.string()) }),
  agentVersion: z.string(),
});
export type GuestSummary = z.infer<typeof GuestSummary>;

export const StageTime = z.strictObject({ name: z.string(), ms: z.number() });
export type StageTime = z.infer<typeof StageTime>;

/** What a dock or undock did, as the user gets to see it (issue: requested against actual, per resource). */
export const TripOutcome = z.strictObject({
  kind: z.enum(['dock', 'undock']),
  workspace: z.string(),
  from: z.string(),
  to: z.string(),
  simulated: z.boolean(),
  epoch: z.int(),
  totalMs: z.number(),
  /** QEMU's own figure: the time in which no copy ran. */
  downtimeMs: z.number().nullable(),
  /** From *running* on the target to fully adapted and verified. */
  adaptMs: z.number(),
  /** Bytes on the memory channel, this way: what memory and device state took of the link. */
  wireBytes: z.number(),
  /** Bytes that went over the links to the target once more because the link that they were on was lost; absent where none did. */
  resentBytes: z.number().optional(),
  /** What QEMU wrote for that, by its own count. */
  streamBytes: z.number(),
  pages: PageJourney,
  /** Page cache that the guest dropped so that it need not travel, MiB; absent where it was not asked to. */
  trimmedCacheMiB: z.number().optional(),
  /** The most that the guest's processors were denied so that the move came to an end, per cent; absent where they were not. */
  throttlePercent: z.number().optional(),
  stages: z.array(StageTime),
  /** null when no agent answered: then the shortfalls say what could not be verified. */
  guest: z.strictObject({ before: GuestSummary.nullable(), after: GuestSummary.nullable() }),
  shortfalls: z.array(Shortfall),
});
export type TripOutcome = z.infer<typeof TripOutcome>;
