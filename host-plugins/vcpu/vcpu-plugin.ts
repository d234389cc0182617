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
import { defaultVcpuTiming, growVcpus, shrinkVcpus, type VcpuTiming } from './adapt.ts';
import { discoverVcpu } from './discover.ts';
import { planVcpu, VcpuChange } from './plan.ts';
import { verifyVcpu } from './verify.ts';

/** vCPUs are plugged and unplugged while the VM runs, and brought online and offline in the guest. */
export class VcpuPlugin implements ResourcePlugin {
  readonly resource = 'vcpu';
  readonly abilities = { hotplug: true, survivesMigration: true };
  readonly #timing: VcpuTiming;

  constructor(timing: VcpuTiming = defaultVcpuTiming) {
    this.#timing = timing;
  }

  discover(signal: AbortSignal): Promise<PluginAbility> {
    return discoverVcpu(signal);
  }

  plan(context: PlanContext): PlanStep[] {
    return planVcpu(context);
  }

  adapt(
    step: PlanStep,
    machine: VirtualMachine,
    progress: (now: StepProgress) => void,
    signal: AbortSignal,
  ): Promise<Adapted> {
    const change = VcpuChange.parse(step.change);
    const adapt = change.action === 'shrink' ? shrinkVcpus : growVcpus;
    return adapt(change.vcpus, machine, progress, this.#timing, signal);
  }

  verify(to: Allocation, after: GuestState): Shortfall[] {
    return verifyVcpu(to, after);
  }
}
