import type { Allocation } from '../../protocol/allocation.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type {
  Adapted,
  PlanContext,
  PluginAbility,
  ResourcePlugin,
  StepProgress,
} from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import { adaptMemory } from './adapt.ts';
import { discoverMemory } from './discover.ts';
import { defaultMemoryMargin, type MemoryMargin } from './floor.ts';
import { planMemory } from './plan.ts';
import { defaultMemoryTiming, type MemoryTiming } from './timing.ts';
import { verifyMemory } from './verify.ts';

/** Memory is plugged and unplugged through virtio-mem; the balloon takes what will not leave. */
export class MemoryPlugin implements ResourcePlugin {
  readonly resource = 'memory';
  readonly abilities = { hotplug: true, survivesMigration: true };
  readonly #timing: MemoryTiming;
  readonly #margin: MemoryMargin;

  constructor(timing: MemoryTiming = defaultMemoryTiming, margin: MemoryMargin = defaultMemoryMargin) {
    this.#timing = timing;
    this.#margin = margin;
  }

  discover(signal: AbortSignal): Promise<PluginAbility> {
    return discoverMemory(signal);
  }

  plan(context: PlanContext): PlanStep[] {
    return planMemory(context, this.#margin);
  }

  adapt(
    step: PlanStep,
    machine: VirtualMachine,
    progress: (now: StepProgress) => void,
    signal: AbortSignal,
  ): Promise<Adapted> {
    return adaptMemory(step, machine, progress, { timing: this.#timing, margin: this.#margin }, signal);
  }

  verify(to: Allocation, after: GuestState): Shortfall[] {
    return verifyMemory(to, after);
  }
}
