import { z } from 'zod';
import type { PlanStep } from '../../protocol/plan.ts';
import type { PlanContext } from '../contract/resource-plugin.ts';

export const VcpuChange = z.strictObject({
  action: z.enum(['shrink', 'grow']),
  /** How many shall be plugged and online when the step is done, the boot CPU included. */
  vcpus: z.int().min(1),
});
export type VcpuChange = z.infer<typeof VcpuChange>;

/**
 * A smaller host is reached with few vCPUs already, a bigger one is filled after arrival. vCPUs that are
 * plugged but offline (left over from a removal that the guest did not finish) are removed or used again.
 */
export function planVcpu(context: PlanContext): PlanStep[] {
  const plugged = 1 + context.filling.pluggedVcpus.length;
  const wished = Math.min(context.to.vcpus, context.contract.maxVcpus);
  const online = context.guest?.vcpus.online ?? plugged;
  if (wished < plugged) {
    const steps = [step('before-move', 'shrink', wished, `unplug ${count(plugged - wished)}`)];
    // Fewer online than wished: somebody offlined them in the guest. They go first; the rest comes online there.
    if (online < wished) steps.push(step('after-move', 'grow', wished, `bring ${count(wished)} online`));
    return steps;
  }
  if (wished > plugged) {
    return [step('after-move', 'grow', wished, `plug ${count(wished - plugged)}, to ${wished}`)];
  }
  if (online !== wished) return [step('after-move', 'grow', wished, `bring ${count(wished)} online`)];
  return [];
}

function step(when: PlanStep['when'], action: VcpuChange['action'], vcpus: number, text: string): PlanStep {
  const change: VcpuChange = { action, vcpus };
  return { resource: 'vcpu', when, text, change };
}

export function count(vcpus: number): string {
  return vcpus === 1 ? '1 vCPU' : `${vcpus} vCPUs`;
}
