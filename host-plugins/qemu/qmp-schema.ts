import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import type { Qmp } from '../contract/virtual-machine.ts';

/**
 * The replies of QEMU that are read, each with the fields that are used and no more (qapi/*.json): QEMU adds
 * fields with every version. Sizes in bytes, times in milliseconds, bandwidths in bytes a second.
 */

export const RunState = z.object({ running: z.boolean(), status: z.string() });
export type RunState = z.infer<typeof RunState>;

export const HotpluggableCpu = z.object({
  type: z.string(),
  'vcpus-count': z.int(),
  props: z.object({
    'socket-id': z.int().optional(),
    'die-id': z.int().optional(),
    'module-id': z.int().optional(),
    'core-id': z.int(),
    'thread-id': z.int().optional(),
  }),
  /** Present exactly when a vCPU is in this slot. */
  'qom-path': z.string().optional(),
});
export type HotpluggableCpu = z.infer<typeof HotpluggableCpu>;

export const FastCpu = z.object({
  'cpu-index': z.int(),
  'qom-path': z.string(),
  'thread-id': z.int(),
});
export type FastCpu = z.infer<typeof FastCpu>;

const VirtioMem = z.object({
  id: z.string(),
  'block-size': z.number(),
  'max-size': z.number(),
  'requested-size': z.number(),
  /** What is plugged: the truth. */
  size: z.number(),
  memdev: z.string(),
});
const MemoryDevice = z.union([
  z.object({ type: z.literal('virtio-mem'), data: VirtioMem }),
  z.object({ type: z.string(), data: z.unknown() }),
]);
export type VirtioMemInfo = z.infer<typeof VirtioMem>;

export const MigrationStatus = z.enum([
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

export const MigrationInfo = z.object({
  /** Absent before the first migration. */
  status: MigrationStatus.default('none'),
  'error-desc': z.string().optional(),
  'total-time': z.number().optional(),
  'setup-time': z.number().optional(),
  downtime: z.number().optional(),
  'expected-downtime': z.number().optional(),
  ram: z
    .object({
      transferred: z.number(),
      remaining: z.number(),
      total: z.number(),
      duplicate: z.number(),
      normal: z.number(),
      'dirty-pages-rate': z.number(),
      'dirty-sync-count': z.number(),
      'page-size': z.number(),
      mbps: z.number(),
    })
    .optional(),
});
export type MigrationInfo = z.infer<typeof MigrationInfo>;

export const CpuDefinition = z.object({
  name: z.string(),
  'unavailable-features': z.array(z.string()).optional(),
  'alias-of': z.string().optional(),
  'migration-safe': z.boolean().optional(),
  deprecated: z.boolean(),
});
export type CpuDefinition = z.infer<typeof CpuDefinition>;

export const BlockDevice = z.object({
  device: z.string(),
  qdev: z.string().optional(),
  'io-status': z.enum(['ok', 'failed', 'nospace']).optional(),
  inserted: z
    .object({
      'node-name': z.string().optional(),
      ro: z.boolean(),
      image: z.object({ 'virtual-size': z.number() }),
    })
    .optional(),
});
export type BlockDevice = z.infer<typeof BlockDevice>;

const Version = z.object({
  qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }),
  package: z.string(),
});

export function queryStatus(qmp: Qmp, signal: AbortSignal): Promise<RunState> {
  return query(qmp, 'query-status', RunState, signal);
}

export function queryMigration(qmp: Qmp, signal: AbortSignal): Promise<MigrationInfo> {
  return query(qmp, 'query-migrate', MigrationInfo, signal);
}

export function queryHotpluggableCpus(qmp: Qmp, signal: AbortSignal): Promise<HotpluggableCpu[]> {
  return query(qmp, 'query-hotpluggable-cpus', z.array(HotpluggableCpu), signal);
}

export function queryCpusFast(qmp: Qmp, signal: AbortSignal): Promise<FastCpu[]> {
  return query(qmp, 'query-cpus-fast', z.array(FastCpu), signal);
}

export function queryVersion(qmp: Qmp, signal: AbortSignal): Promise<z.infer<typeof Version>> {
  return query(qmp, 'query-version', Version, signal);
}

export function queryCpuDefinitions(qmp: Qmp, signal: AbortSignal): Promise<CpuDefinition[]> {
  return query(qmp, 'query-cpu-definitions', z.array(CpuDefinition), signal);
}

export function queryBlock(qmp: Qmp, signal: AbortSignal): Promise<BlockDevice[]> {
  return query(qmp, 'query-block', z.array(BlockDevice), signal);
}

/** Size of the guest's memory without what the balloon holds, bytes. */
export async function queryBalloon(qmp: Qmp, signal: AbortSignal): Promise<number> {
  return (await query(qmp, 'query-balloon', z.object({ actual: z.number() }), signal)).actual;
}

/** The virtio-mem devices, with requested and plugged size. */
export async function queryVirtioMem(qmp: Qmp, signal: AbortSignal): Promise<VirtioMemInfo[]> {
  const devices = await query(qmp, 'query-memory-devices', z.array(MemoryDevice), signal);
  return devices.flatMap(({ type, data }) =>
    type === 'virtio-mem' ? [parseReply(VirtioMem, 'query-memory-devices', data)] : [],
  );
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
