import type { GuestState } from '../../protocol/guest-state.ts';

/** How much must stay free after shrinking, so that the guest goes on working and not only living. */
export interface MemoryMargin {
  readonly minimumMiB: number;
  /** Of the memory that it shall have. */
  readonly share: number;
}

export const defaultMemoryMargin: MemoryMargin = { minimumMiB: 64, share: 0.1 };

/** PSI "some avg10", per cent: the share of time in which something waited for memory. */
const strainedPercent = 10;
const thrashingPercent = 40;

const usualKernelMiB = 64;

/** The kernel describes each 4 KiB page with 64 bytes (struct page); plugged memory's come out of the rest. */
export const pageDescriptorShare = 1 / 64;

export interface FloorInput {
  readonly guest: GuestState;
  /** The machine's memory now, base and plugged, MiB. */
  readonly currentMiB: number;
  /** Boot memory, MiB. */
  readonly baseMiB: number;
  readonly targetMiB: number;
  /** How much of the virtio-mem device would be unplugged, MiB. */
  readonly unpluggedMiB: number;
  readonly margin: MemoryMargin;
}

export interface Floor {
  readonly usedMiB: number;
  /** Kernel image and boot-time tables: in the machine's memory, not in MemTotal. */
  readonly kernelMiB: number;
  readonly headroomMiB: number;
  /** The least machine memory with which the guest can go on. */
  readonly floorMiB: number;
}

/**
 * The least memory with which this guest can go on: what stays in use after all caches were dropped
 * (MemTotal - MemAvailable), what the kernel took before it counts, and headroom, which grows with pressure.
 */
export function computeFloor(input: FloorInput): Floor {
  const { totalMiB, usedMiB, pressureSomeAvg10 } = input.guest.memory;
  const kernelMiB = keptByKernel(input.currentMiB - totalMiB, input.baseMiB);
  const freedMiB = Math.max(0, input.unpluggedMiB) * pageDescriptorShare;
  const headroomMiB =
    Math.max(input.margin.minimumMiB, input.targetMiB * input.margin.share) * strainFactor(pressureSomeAvg10);
  const floorMiB = Math.max(0, usedMiB - freedMiB) + kernelMiB + headroomMiB;
  return {
    usedMiB: Math.round(usedMiB),
    kernelMiB: Math.round(kernelMiB),
    headroomMiB: Math.round(headroomMiB),
    floorMiB: Math.ceil(floorMiB),
  };
}

function strainFactor(pressure: number | undefined): number {
  if (pressure === undefined || pressure < strainedPercent) return 1;
  return pressure < thrashingPercent ? 2 : 4;
}

/**
 * What MemTotal does not show was taken by the kernel (with crashkernel= that can be a lot), or is plugged and
 * not online. It can be the kernel's only as far as it can lie in the boot memory; else assume a usual kernel.
 */
function keptByKernel(notShownMiB: number, baseMiB: number): number {
  if (notShownMiB > baseMiB / 2) return usualKernelMiB + baseMiB / 32;
  return Math.max(0, notShownMiB);
}
