import type { Shortfall } from '../../protocol/outcome.ts';
import { askAgent } from '../contract/ask-agent.ts';
import type { Adapted, StepProgress, Undo } from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import { readVirtioMem } from '../qemu/read-filling.ts';
import { deflate } from './balloon.ts';
import { pageDescriptorShare } from './floor.ts';
import { nextPluggedMiB } from './grow-steps.ts';
import { blockMiB, type MemoryChange } from './plan.ts';
import type { MemoryTiming } from './timing.ts';
import { followPlugged, requestPlugged, settleRequest } from './virtio-mem.ts';

export interface GrowContext {
  readonly machine: VirtualMachine;
  readonly progress: (now: StepProgress) => void;
  readonly timing: MemoryTiming;
}

type Grow = Extract<MemoryChange, { action: 'grow' }>;

/**
 * Gives memory until the machine has `memoryMiB`, in steps that the guest can pay for. What the guest does not
 * take within the stall time is withdrawn again, so that the machine's size is settled, and said.
 */
export async function growMemory(change: Grow, context: GrowContext, signal: AbortSignal): Promise<Adapted> {
  const { machine, timing } = context;
  const base = machine.contract.baseMemoryMiB;
  const before = await readVirtioMem(machine.qmp, signal);
  const undo: Undo = async (cleanup) => {
    await requestPlugged(machine.qmp, before.qomPath, before.requestedMiB, cleanup);
    await followPlugged(machine.qmp, before.sizeMiB, () => {}, timing.shrink, cleanup);
  };
  // The balloon first: what it holds costs nothing to have back, and pays for the descriptors of the rest.
  const heldMiB = await deflate(machine.qmp, base, timing.balloon, signal);
  const goalMiB = Math.min(
    before.maxMiB,
    Math.floor(Math.max(0, change.memoryMiB - base) / blockMiB) * blockMiB,
  );
  const grown = await plug(before.sizeMiB, goalMiB, change.availableMiB, before.qomPath, context, signal);
  const reasons = [...grown.reasons];
  if (heldMiB > 0) reasons.push(`the balloon kept ${Math.round(heldMiB)} MiB`);
  if (reasons.length === 0) return { undo, shortfalls: [] };
  const shortfall: Shortfall = {
    resource: 'memory',
    requested: `${change.memoryMiB} MiB`,
    actual: `${base + grown.pluggedMiB - heldMiB} MiB plugged`,
    reason: reasons.join('; '),
  };
  return { undo, shortfalls: [shortfall] };
}

interface Grown {
  readonly pluggedMiB: number;
  readonly reasons: readonly string[];
}

async function plug(
  startMiB: number,
  goalMiB: number,
  availableMiB: number | undefined,
  qomPath: string,
  context: GrowContext,
  signal: AbortSignal,
): Promise<Grown> {
  const { machine, timing, progress } = context;
  const online = () => askAgent(machine, 'online-memory', {}, timing.agentMs, signal);
  let pluggedMiB = startMiB;
  let available = availableMiB;
  let last = await online();
  while (pluggedMiB < goalMiB) {
    const nextMiB = nextPluggedMiB(pluggedMiB, goalMiB, available);
    const stepMiB = nextMiB - pluggedMiB;
    await requestPlugged(machine.qmp, qomPath, nextMiB, signal);
    const report = (missingMiB: number) => {
      const now = nextMiB - missingMiB;
      progress({
        text: `${Math.round(now)} of ${goalMiB} MiB plugged`,
        fraction: (now - startMiB) / (goalMiB - startMiB),
      });
    };
    const followed = await followPlugged(machine.qmp, nextMiB, report, timing.grow, signal);
    if (!followed.arrived) {
      pluggedMiB = await settleRequest(machine.qmp, signal);
      return { pluggedMiB, reasons: ['the guest did not take the rest into use'] };
    }
    pluggedMiB = nextMiB;
    const now = await online();
    if (!now.answered) {
      if (pluggedMiB < goalMiB) continue;
      return { pluggedMiB, reasons: [`whether the guest uses it could not be checked: ${now.why}`] };
    }
    const gainedMiB = last.answered ? now.result.totalMiB - last.result.totalMiB : stepMiB;
    // Half: blocks at the edges may have to wait for the next step.
    if (gainedMiB < stepMiB / 2) {
      const why = now.result.problems.join('; ') || 'the guest did not bring the new memory online';
      return { pluggedMiB, reasons: [why] };
    }
    available = Math.max(0, (available ?? 0) + gainedMiB - stepMiB * pageDescriptorShare);
    last = now;
  }
  return { pluggedMiB, reasons: [] };
}
