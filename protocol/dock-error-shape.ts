import * as z from 'zod';
import { dockErrorKinds } from './dock-error.ts';

/** The schema of `DockErrorData`, for errors that arrive over a socket. */
export const DockErrorShape = z.strictObject({
  kind: z.enum(dockErrorKinds),
  message: z.string(),
  detail: z.record(z.string(), z.unknown()).optional(),
});
export type DockErrorShape = z.infer<typeof DockErrorShape>;
