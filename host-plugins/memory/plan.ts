import { z } from 'zod';
import type { PlanStep } from '../../protocol/plan.ts';
import type { PlanContext } from '../contract/resource-plugin.ts';
import { computeFloor, defaultMemoryMargin, type MemoryMargin } from './floor.ts';
import { refuseShrink } from './refuse.ts';

export const MemoryChange = z.discriminatedUnion('action', [
  z.strictObject({
    action: z.literal('shrink'),
    /** All memory of the machine that shall be left, MiB. */
    memoryMiB: z.int().min(1),
    /** All memory of the host it goes to: more than this cannot be carried there, whatever the policy says. */
    hostMiB: z.int().min(1),
  }),
  z.strictObject({
    action: z.literal('grow'),
    memoryMiB: z.int().min(1),
    /** MemAvailable before the move; absent without an agent. */
    availableMiB: z.number().min(0).optional(),
  }),
]);
export type MemoryChange = z.infer<typeof MemoryChange>;

/** virtio-mem's block size in the contract: memory comes and goes in multiples of it. */
export const blockMiB = 2;

/**
 * Less memory: before the move, and only if the guest fits; more: after it. Throws `does-not-fit` with the
 * numbers when what the guest uses, with headroom, is more than it would get.
 */
export function planMemory(context: PlanContext, fallback: MemoryMargin = defaultMemoryMargin): PlanStep[] {
  const margin = context.headroomMiB === undefined ? fallback : { minimumMiB: context.headroomMiB, share: 0 };
  const { contract, filling, guest, target } = context;
  const currentMiB = contract.baseMemoryMiB + filling.requestedPluggedMemoryMiB;
  const mostMiB = contract.baseMemoryMiB + contract.maxPluggedMemoryMiB;
  const memoryMiB = roundDown(Math.min(context.to.memoryMiB, mostMiB));
  if (memoryMiB < currentMiB) {
    if (guest !== undefined) {
      const baseMiB = contract.baseMemoryMiB;
      const unpluggedMiB = currentMiB - Math.max(memoryMiB, baseMiB);
      const floor = computeFloor({ guest, currentMiB, baseMiB, targetMiB: memoryMiB, unpluggedMiB, margin });
      if (memoryMiB < floor.floorMiB) {
        throw refuseShrink(guest, floor, memoryMiB, `the guest does not fit into the ${target.deviceClass}`);
      }
    }
    const change: MemoryChange = { action: 'shrink', memoryMiB, hostMiB: target.memory.totalMiB };
    return [step('before-move', change, `shrink memory from ${currentMiB} to ${memoryMiB} MiB`)];
  }
  if (memoryMiB > currentMiB) {
    const available = guest === undefined ? {} : { availableMiB: guest.memory.availableMiB };
    const change: MemoryChange = { action: 'grow', memoryMiB, ...available };
    return [step('after-move', change, `grow memory from ${currentMiB} to ${memoryMiB} MiB`)];
  }
  return [];
}

function step(when: PlanStep['when'], change: MemoryChange, text: string): PlanStep {
  return { resource: 'memory', when, text, change };
}

function roundDown(memoryMiB: number): number {
  return Math.floor(memoryMiB / blockMiB) * blockMiB;
}
