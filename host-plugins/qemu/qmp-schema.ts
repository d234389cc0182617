import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import type { Qmp } from '../contract/virtual-machine.ts';

/**
 * The replies of QEMU that are read, each with the fields that are used and no more (qapi/*.json): QEMU adds
 * fields with every version. Sizes in bytes, times in milliseconds, bandwidths in bytes a second.
 */

const RunState = z.object({ running: z.boolean(), status: z.string() });
type RunState = z.infer<typeof RunState>;

const MigrationStatus = z.enum([
  'none',
  'setup',
  'cancelling',
  'cancelled',
  'active',
  'postcopy-active',
  'postcopy-paused',
  'postcopy-recover-setup',
  'postcopy-recover',
  'completed',
  'failed',
  'colo',
  'pre-switchover',
  'device',
  'wait-unplug',
]);
export type MigrationStatus = z.infer<typeof MigrationStatus>;

const MigrationInfo = z.object({
  /** Absent before the first migration. */
  status: MigrationStatus.default('none'),
  'error-desc': z.string().optional(),
  'total-time': z.number().optional(),
  'setup-time': z.number().optional(),
  downtime: z.number().optional(),
  ram: z
    .object({
      transferred: z.number(),
      remaining: z.number(),
      total: z.number(),
      'dirty-pages-rate': z.number(),
      'dirty-sync-count': z.number(),
      'page-size': z.number(),
    })
    .optional(),
});
export type MigrationInfo = z.infer<typeof MigrationInfo>;

export function queryStatus(qmp: Qmp, signal: AbortSignal): Promise<RunState> {
  return query(qmp, 'query-status', RunState, signal);
}

export function queryMigration(qmp: Qmp, signal: AbortSignal): Promise<MigrationInfo> {
  return query(qmp, 'query-migrate', MigrationInfo, signal);
}

/** Throws `protocol` for a reply of another shape. */
export function parseReply<S extends z.ZodType>(schema: S, command: string, reply: unknown): z.infer<S> {
  const parsed = schema.safeParse(reply);
  if (parsed.success) return parsed.data;
  throw new DockError(
    'protocol',
    `QEMU's answer to "${command}" is of another shape: ${z.prettifyError(parsed.error)}`,
  );
}

async function query<S extends z.ZodType>(
  qmp: Qmp,
  command: string,
  schema: S,
  signal: AbortSignal,
): Promise<z.infer<S>> {
  return parseReply(schema, command, await qmp.execute(command, {}, signal));
}
