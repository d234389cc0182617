import { z } from 'zod';
import { DockErrorShape } from './dock-error-shape.ts';
import { TripOutcome } from './outcome.ts';

/** The verbs of the pipeline in their order (docs/architecture.md). */
export const stageNames = [
  'discover',
  'choose',
  'plan',
  'prepare',
  'shrink',
  'transfer',
  'hand-over',
  'adapt',
  'verify',
  'settle',
] as const;
export const StageName = z.enum(stageNames);
export type StageName = z.infer<typeof StageName>;

/** Typed progress of a dock or undock; the CLI, the logs and D-Bus are views of these. Times: ms since 1970. */
export const ProgressEvent = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('trip-started'),
    at: z.number(),
    trip: z.enum(['dock', 'undock']),
    workspace: z.string(),
    from: z.string(),
    to: z.string(),
    simulated: z.boolean(),
  }),
  z.strictObject({ kind: z.literal('stage-started'), at: z.number(), stage: StageName }),
  z.strictObject({
    kind: z.literal('stage-progress'),
    at: z.number(),
    stage: StageName,
    /** 0 to 1, where it is known. */
    fraction: z.number().min(0).max(1).optional(),
    text: z.string(),
  }),
  z.strictObject({ kind: z.literal('stage-done'), at: z.number(), stage: StageName, ms: z.number() }),
  z.strictObject({ kind: z.literal('note'), at: z.number(), text: z.string() }),
  z.strictObject({ kind: z.literal('trip-done'), at: z.number(), outcome: TripOutcome }),
  z.strictObject({
    kind: z.literal('trip-failed'),
    at: z.number(),
    stage: StageName.optional(),
    error: DockErrorShape,
    /** Where the VM runs now. */
    runsOn: z.string().optional(),
  }),
]);
export type ProgressEvent = z.infer<typeof ProgressEvent>;
