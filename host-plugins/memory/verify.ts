import type { Allocation } from '../../protocol/allocation.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { Shortfall } from '../../protocol/outcome.ts';

/**
 * What a kernel keeps of the machine's memory before it counts: its image, initrd remains, descriptors of the
 * boot memory, firmware holes. 40 to 60 MiB for a Debian kernel with 512 MiB; crashkernel= is more.
 */
const kernelMiB = 96;
const kernelShare = 1 / 32;

/** Compares with the guest's MemTotal, from below for what the kernel keeps, from above exactly. */
export function verifyMemory(to: Allocation, after: GuestState): Shortfall[] {
  const totalMiB = after.memory.totalMiB;
  const leastMiB = to.memoryMiB - kernelMiB - to.memoryMiB * kernelShare;
  const difference = {
    resource: 'memory',
    requested: `${to.memoryMiB} MiB`,
    actual: seen(totalMiB),
  } as const;
  if (totalMiB < leastMiB) {
    return [{ ...difference, reason: 'the guest has not taken all of it into use' }];
  }
  if (totalMiB > to.memoryMiB) {
    return [{ ...difference, reason: 'the guest has not given back what is more' }];
  }
  return [];
}

function seen(totalMiB: number): string {
  return `${Math.round(totalMiB)} MiB (MemTotal)`;
}
