import { DockError } from '../../protocol/dock-error.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import { chainsOf } from './plan-trip.ts';
import type { Rollback } from './rollback.ts';
import type { Say } from './stage-clock.ts';

export interface StepContext {
  readonly plugins: readonly ResourcePlugin[];
  readonly machine: VirtualMachine;
  readonly say: Say;
}

/**
 * Runs the steps of `before-move` one after the other, each undo deferred before the next begins. Throws what a
 * step throws; then the caller unwinds.
 */
export async function runShrinkingSteps(
  context: StepContext,
  steps: readonly PlanStep[],
  rollback: Rollback,
  signal: AbortSignal,
): Promise<Shortfall[]> {
  const shortfalls: Shortfall[] = [];
  for (const step of steps.filter((each) => each.when === 'before-move')) {
    signal.throwIfAborted();
    context.say(step.text);
    const adapted = await adaptOne(context, step, signal);
    rollback.defer(step.text, adapted.undo);
    shortfalls.push(...adapted.shortfalls);
  }
  return shortfalls;
}

/**
 * Runs the steps of a moment at which the VM is here to stay: resources side by side, and what cannot be done
 * becomes a shortfall, for a guest that is short of something is better than no guest.
 */
export async function runAdaptingSteps(
  context: StepContext,
  steps: readonly PlanStep[],
  when: Exclude<PlanStep['when'], 'before-move'>,
  signal: AbortSignal,
): Promise<Shortfall[]> {
  const chains = chainsOf(steps, when).map(async (chain) => {
    const shortfalls: Shortfall[] = [];
    for (const step of chain) {
      try {
        context.say(step.text);
        shortfalls.push(...(await adaptOne(context, step, signal)).shortfalls);
      } catch (error) {
        shortfalls.push({
          resource: step.resource,
          requested: step.text,
          actual: 'not done',
          reason: DockError.from(error).message,
        });
      }
    }
    return shortfalls;
  });
  return (await Promise.all(chains)).flat();
}

function adaptOne(context: StepContext, step: PlanStep, signal: AbortSignal) {
  const plugin = context.plugins.find((each) => each.resource === step.resource);
  if (plugin === undefined) throw new DockError('internal', `no plugin for "${step.resource}"`);
  return plugin.adapt(step, context.machine, (now) => context.say(now.text, now.fraction), signal);
}
