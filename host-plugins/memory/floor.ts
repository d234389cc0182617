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

/** The kernel describes each 4 KiB page with 64 bytes (struct page); plugged memory's come out of the rest. */
export const pageDescriptorShare = 1 / 64;

export interface FloorInput {
  readonly guest: GuestState;
  /** The machine's memory now, base and plugged, MiB. */
  readonly currentMiB: number;
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
  // Plugged memory that is not online yet is missing in MemTotal too, so the difference is not the kernel's alone.
  const kernelMiB = clamp(input.currentMiB - totalMiB, 0, input.currentMiB / 8);
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

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
