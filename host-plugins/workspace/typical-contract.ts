import { MachineContract } from '../../protocol/workspace.ts';

/** Of the oldest QEMU that this version works with. */
export const machineType = 'pc-q35-10.0';
/** Boot memory of new workspaces, MiB: fits the smallest device; everything else is plugged. */
export const defaultBaseMemoryMiB = 512;
/** What may ever be plugged into new workspaces, MiB. An address range costs nothing until it is filled. */
export const defaultMaxPluggedMemoryMiB = 64 * 1024;

const nobody = '00000000-0000-4000-8000-000000000000';

/** A workspace such as `wdock workspace create` makes when nothing else is said; to explain policies by. */
export const typicalContract: MachineContract = MachineContract.parse({
  machineType,
  cpuModel: 'Nehalem-v1',
  baseMemoryMiB: defaultBaseMemoryMiB,
  maxPluggedMemoryMiB: defaultMaxPluggedMemoryMiB,
  uuid: nobody,
  generationId: nobody,
  macAddress: '52:54:00:00:00:00',
});
