import { z } from 'zod';
import { WorkspaceName } from './workspace.ts';

/** How near another device is, and what the triggers make of it (docs/triggers.md). */
export const PresenceStatus = z.strictObject({
  /** By its name here. */
  device: z.string(),
  /** The workspace that could go there, or come home from there; absent where there is none. */
  workspace: WorkspaceName.optional(),
  state: z.enum(['away', 'seen', 'near', 'docked']),
  /** What was observed that makes it so. */
  why: z.string(),
  /** What would happen next, or what stands against it. */
  next: z.string(),
  /** Waits for `wdock answer`. */
  question: z
    .strictObject({
      trip: z.enum(['dock', 'undock']),
      why: z.string(),
      /** No answer within this time is a no. */
      answerWithinMs: z.number(),
      /** The same as a time, ms since 1970. */
      until: z.number(),
    })
    .optional(),
});
export type PresenceStatus = z.infer<typeof PresenceStatus>;
