import { z } from 'zod';
import { Allocation } from './allocation.ts';
import { LanChange } from './host-profile.ts';

/**
 * The shape of the VM, fixed when the workspace is made and equal on every device it visits
 * (docs/architecture.md); only the filling changes. QEMU refuses an incoming VM of another shape.
 */
export const MachineContract = z.strictObject({
  /** Versioned machine type, e.g. `pc-q35-10.0`. */
  machineType: z.string().regex(/^pc-q35-\d+\.\d+$/),
  /** Named CPU model, never `host` or `max`, e.g. `Nehalem-v1`. */
  cpuModel: z.string().min(1),
  maxVcpus: z.int().min(1).max(288).default(64),
  /** Boot memory, MiB; fits the smallest device. */
  baseMemoryMiB: z.int().min(128),
  /** Address range of the virtio-mem device, MiB; multiple of 2; what may ever be plugged on top. */
  maxPluggedMemoryMiB: z.int().min(2),
  uuid: z.uuid(),
  /** VM generation id; the same for a move, a new one for a fork. */
  generationId: z.uuid(),
  macAddress: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
  /** Direct kernel boot; absent where the disk has a boot loader. Paths on the home device. */
  kernel: z.strictObject({ image: z.string(), initrd: z.string(), commandLine: z.string() }).optional(),
});
export type MachineContract = z.infer<typeof MachineContract>;

/** What is in the machine at this moment; the target's command line is made from this and the contract. */
export const MachineFilling = z.strictObject({
  /** Hot-plugged vCPUs besides the boot CPU (index 0), by their index in query-hotpluggable-cpus order of the contract's topology (= core-id). */
  pluggedVcpus: z.array(z.int().min(1)),
  /** virtio-mem requested size, MiB. */
  requestedPluggedMemoryMiB: z.int().min(0),
});
export type MachineFilling = z.infer<typeof MachineFilling>;

export const WorkspaceName = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,30}$/,
    'a name has 1 to 31 lower-case letters, digits and hyphens, and begins with a letter',
  );

/** What a device durably keeps of a workspace. Ownership is not here: it is in the hand-over journal. */
export const WorkspaceRecord = z.strictObject({
  format: z.literal(1),
  name: WorkspaceName,
  /** Device id of the home device, which has the disk. */
  homeDevice: z.string(),
  contract: MachineContract,
  disk: z.strictObject({ path: z.string(), format: z.enum(['qcow2', 'raw']) }),
  /** Start from this saved machine state instead of booting; used once by `workspace start`. */
  savedState: z.string().optional(),
  /** Last known addresses of the guest with prefix length; a routed host needs them before the guest runs. */
  guestAddresses: z.array(z.string()).default([]),
  /**
   * What it had when it was last on the LAN of this device: where the device routes, nobody else can give the guest its
   * addresses back.
   */
  addressesHere: z.strictObject({ gatewayMac: z.string(), addresses: z.array(z.string()).min(1) }).optional(),
  /** The network it came to with its last move; absent where that was the same LAN. */
  lanChange: LanChange.optional(),
  /** Policy overrides of this workspace, a YAML file's path. */
  policy: z.string().optional(),
  /** Where it was suspended last, for people: whether it is still is in the journal. `at`: ms since 1970. */
  suspended: z.strictObject({ directory: z.string(), image: z.string(), at: z.number() }).optional(),
  /** Whether it shall run: what a power cut has ended is then started again. */
  wanted: z.enum(['running', 'stopped']).default('stopped'),
  /** It visits this device, and nothing of it is kept here; not even this record, once it has left. */
  keepNothing: z.literal(true).optional(),
  /** What it got on the host it is on. */
  allocation: Allocation.optional(),
});
export type WorkspaceRecord = z.infer<typeof WorkspaceRecord>;
