import type { MachineContract } from '../../../protocol/workspace.ts';
import type { GuestImage } from '../image/disk-image.ts';
import { guestKernelArguments } from '../image/guest-recipe.ts';
import { labWorkspaceMac } from '../network/address-plan.ts';

/** The shape of the lab's workspace. Fixed to the last id: a saved machine fits no other. */
export function labContract(image: Pick<GuestImage, 'kernel' | 'initrd'>): MachineContract {
  return {
    machineType: 'pc-q35-10.0',
    // A model that migrates under TCG; `max` panics after a move.
    cpuModel: 'Nehalem-v1',
    maxVcpus: 64,
    baseMemoryMiB: 512,
    maxPluggedMemoryMiB: 16 * 1024,
    uuid: '6f0c2c5e-52c4-4d8a-9d3c-8f6f6a1e7701',
    generationId: '0b9d1a52-3f0e-4c61-9a53-6d1a2be57702',
    macAddress: labWorkspaceMac,
    kernel: { image: image.kernel, initrd: image.initrd, commandLine: guestKernelArguments.join(' ') },
  };
}
