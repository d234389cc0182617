import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import type { MachineFilling } from '../../protocol/workspace.ts';
import type { Qmp } from '../contract/virtual-machine.ts';
import { parseReply } from './qmp-schema.ts';

const bytesPerMiB = 1024 * 1024;

/**
 * A place for a vCPU. With the contract's topology (one socket, one thread a core) its index is the core-id.
 */
export interface VcpuSlot {
  readonly index: number;
  /** The driver for `device_add`, e.g. `Nehalem-v1-x86_64-cpu`. */
  readonly driver: string;
  /** The rest of the arguments for `device_add`: socket-id, core-id, … */
  readonly place: Readonly<Record<string, unknown>>;
  /** Absent when the slot is empty: the only reliable sign that a vCPU is gone. */
  readonly qomPath: string | undefined;
}

const HotpluggableCpus = z.array(
  z.object({
    type: z.string(),
    props: z.looseObject({ 'core-id': z.int().min(0) }),
    'qom-path': z.string().optional(),
  }),
);

/**
 * All vCPU slots by index; index 0 is the boot CPU, which cannot be unplugged. Throws what `execute` throws.
 */
export async function readVcpuSlots(qmp: Qmp, signal: AbortSignal): Promise<VcpuSlot[]> {
  const reply = parseReply(
    HotpluggableCpus,
    'query-hotpluggable-cpus',
    await qmp.execute('query-hotpluggable-cpus', {}, signal),
  );
  return reply
    .map((slot) => ({
      index: slot.props['core-id'],
      driver: slot.type,
      place: slot.props,
      qomPath: slot['qom-path'],
    }))
    .sort((a, b) => a.index - b.index);
}

/**
 * The virtio-mem device. `sizeMiB` is plugged and in use by the guest; `requestedMiB` is only what was asked
 * for.
 */
export interface VirtioMem {
  readonly qomPath: string;
  readonly sizeMiB: number;
  readonly requestedMiB: number;
  readonly maxMiB: number;
  readonly blockMiB: number;
}

const MemoryDevices = z.array(
  z.discriminatedUnion('type', [
    z.object({
      type: z.literal('virtio-mem'),
      data: z.object({
        id: z.string(),
        size: z.number(),
        'requested-size': z.number(),
        'max-size': z.number(),
        'block-size': z.number(),
      }),
    }),
    z.object({ type: z.enum(['dimm', 'nvdimm', 'virtio-pmem', 'sgx-epc', 'hv-balloon']) }),
  ]),
);

/** Throws `conflict` when the machine has no virtio-mem device, so was not made from a contract. */
export async function readVirtioMem(qmp: Qmp, signal: AbortSignal): Promise<VirtioMem> {
  const reply = parseReply(
    MemoryDevices,
    'query-memory-devices',
    await qmp.execute('query-memory-devices', {}, signal),
  );
  for (const device of reply) {
    if (device.type !== 'virtio-mem') continue;
    return {
      qomPath: `/machine/peripheral/${device.data.id}`,
      sizeMiB: device.data.size / bytesPerMiB,
      requestedMiB: device.data['requested-size'] / bytesPerMiB,
      maxMiB: device.data['max-size'] / bytesPerMiB,
      blockMiB: device.data['block-size'] / bytesPerMiB,
    };
  }
  throw new DockError(
    'conflict',
    'the machine has no virtio-mem device, so its memory cannot change while it runs; create the workspace again',
  );
}

/** What is plugged now, as QEMU says: the target's command line is made from this and the contract. */
export async function readFilling(qmp: Qmp, signal: AbortSignal): Promise<MachineFilling> {
  const [slots, memory] = await Promise.all([readVcpuSlots(qmp, signal), readVirtioMem(qmp, signal)]);
  return {
    pluggedVcpus: slots
      .filter((slot) => slot.index > 0 && slot.qomPath !== undefined)
      .map((slot) => slot.index),
    requestedPluggedMemoryMiB: memory.requestedMiB,
  };
}
