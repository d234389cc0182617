import { DockError } from '../../protocol/dock-error.ts';
import type { GuestState, ProcessMemory } from '../../protocol/guest-state.ts';
import type { Floor } from './floor.ts';

const shownProcesses = 3;

/** The refusal of a move into too little memory: how much is missing, and who holds it. */
export function refuseShrink(guest: GuestState, floor: Floor, targetMiB: number, what: string): DockError {
  const missingMiB = Math.max(1, Math.ceil(floor.floorMiB - targetMiB));
  const largest = guest.memory.largest;
  const message =
    `${what}: it uses ${floor.usedMiB} MiB and would need ${floor.floorMiB} MiB ` +
    `(with ${floor.kernelMiB} MiB of the kernel's and ${floor.headroomMiB} MiB of headroom), ` +
    `but gets ${targetMiB} MiB there; ${missingMiB} MiB are missing. ` +
    `${holders(largest)}Close something large, or use a policy that gives more memory.`;
  return new DockError('does-not-fit', message, {
    detail: {
      resource: 'memory',
      usedMiB: floor.usedMiB,
      headroomMiB: floor.headroomMiB,
      floorMiB: floor.floorMiB,
      targetMiB,
      missingMiB,
      largest,
    },
  });
}

export function holders(largest: readonly ProcessMemory[]): string {
  if (largest.length === 0) return '';
  const named = [...largest]
    .sort((a, b) => b.residentMiB - a.residentMiB)
    .slice(0, shownProcesses)
    .map((each) => `${each.name} ${Math.round(each.residentMiB)} MiB`);
  return `Largest: ${named.join(', ')}. `;
}
