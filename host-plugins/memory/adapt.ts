import type { PlanStep } from '../../protocol/plan.ts';
import type { Adapted, StepProgress } from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import type { MemoryMargin } from './floor.ts';
import { growMemory } from './grow.ts';
import { MemoryChange } from './plan.ts';
import { shrinkMemory } from './shrink.ts';
import type { MemoryTiming } from './timing.ts';

/** Does one planned step; the work is in shrink.ts and grow.ts. */
export function adaptMemory(
  step: PlanStep,
  machine: VirtualMachine,
  progress: (now: StepProgress) => void,
  settings: { readonly timing: MemoryTiming; readonly margin: MemoryMargin },
  signal: AbortSignal,
): Promise<Adapted> {
  const change = MemoryChange.parse(step.change);
  const context = { machine, progress, ...settings };
  return change.action === 'shrink'
    ? shrinkMemory(change, context, signal)
    : growMemory(change, context, signal);
}
