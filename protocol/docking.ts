import { z } from 'zod';
import { CpuModelName } from './cpu-capability.ts';
import { WorkspaceName } from './workspace.ts';

/** Whether a workspace with the CPU that it has can move to a device while it runs. */
export const Docking = z.strictObject({
  workspace: WorkspaceName,
  /** By its name here. */
  device: z.string(),
  /** `unknown`: the device has not told yet. */
  can: z.enum(['yes', 'no', 'unknown']),
  /** A sentence, without its end. */
  detail: z.string(),
  /** What to do about it. */
  remedy: z.string().optional(),
});
export type Docking = z.infer<typeof Docking>;

/** The CPU model of a workspace that is made now. */
export const CpuModelChoice = z.strictObject({
  model: CpuModelName,
  /** A sentence, without its end. */
  detail: z.string(),
});
export type CpuModelChoice = z.infer<typeof CpuModelChoice>;
