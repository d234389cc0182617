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
import { applyToDesktop, showMonitor } from './adapt.ts';
import { discoverDisplay } from './discover.ts';
import { DisplayChange, planDisplay } from './plan.ts';
import { verifyDisplay } from './verify.ts';

/** The guest gets a monitor as the host has one; its compositor sets the mode and the scale. */
export class DisplayPlugin implements ResourcePlugin {
  readonly resource = 'display';
  readonly abilities = { hotplug: true, survivesMigration: false };

  discover(signal: AbortSignal): Promise<PluginAbility> {
    return discoverDisplay(signal);
  }

  plan(context: PlanContext): PlanStep[] {
    return planDisplay(context);
  }

  adapt(
    step: PlanStep,
    machine: VirtualMachine,
    _progress: (now: StepProgress) => void,
    signal: AbortSignal,
  ): Promise<Adapted> {
    const change = DisplayChange.parse(step.change);
    const adapt = change.action === 'show' ? showMonitor : applyToDesktop;
    return adapt(change.display, machine, signal);
  }

  verify(to: Allocation, after: GuestState): Shortfall[] {
    return verifyDisplay(to, after);
  }
}
