import { z } from 'zod';
import { GuestSummary, Shortfall, StageTime } from './outcome.ts';

const bytes = z.number();

/** What a suspend did. */
export const SuspendOutcome = z.strictObject({
  workspace: z.string(),
  /** As it was asked for, and the folder in it that has the image. */
  directory: z.string(),
  folder: z.string(),
  image: z.string(),
  device: z.string(),
  simulated: z.boolean(),
  epoch: z.int(),
  /** When it stopped, ms since 1970. */
  at: z.number(),
  totalMs: z.number(),
  /** From when it stood still until it was suspended. */
  stoppedMs: z.number(),
  /** Of the guest's memory and devices, as QEMU gave them; written to the directory now; of the whole image there. */
  streamBytes: bytes,
  writtenBytes: bytes,
  imageBytes: bytes,
  pages: z.strictObject({ zero: z.int(), reused: z.int(), repeated: z.int(), written: z.int() }),
  stages: z.array(StageTime),
  guest: GuestSummary.nullable(),
  /** Devices that can open the image, by their names here. */
  devices: z.array(z.string()),
});
export type SuspendOutcome = z.infer<typeof SuspendOutcome>;

/** What a resume did. */
export const ResumeOutcome = z.strictObject({
  workspace: z.string(),
  directory: z.string(),
  image: z.string(),
  /** Where it was suspended, and when, ms since 1970. */
  from: z.string(),
  suspendedAt: z.number(),
  to: z.string(),
  simulated: z.boolean(),
  epoch: z.int(),
  totalMs: z.number(),
  /** From *running* to adapted and verified. */
  adaptMs: z.number(),
  streamBytes: bytes,
  imageBytes: bytes,
  stages: z.array(StageTime),
  /** `before`: as it was when it was suspended. */
  guest: z.strictObject({ before: GuestSummary.nullable(), after: GuestSummary.nullable() }),
  shortfalls: z.array(Shortfall),
});
export type ResumeOutcome = z.infer<typeof ResumeOutcome>;
