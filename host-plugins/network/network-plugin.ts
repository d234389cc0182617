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
import type { HostNetwork } from '../system/network/host-network.ts';
import { announceNetwork, applyToGuest, bindNetwork } from './adapt.ts';
import { discoverNetwork } from './discover.ts';
import { NetworkChange, planNetwork } from './plan.ts';
import { verifyNetwork } from './verify.ts';

/** The guest stays the same host on the LAN: on a bridge, or routed to where there can be none. */
export class NetworkPlugin implements ResourcePlugin {
  readonly resource = 'network';
  readonly abilities = { hotplug: true, survivesMigration: true };
  readonly #network: HostNetwork;

  constructor(network: HostNetwork) {
    this.#network = network;
  }

  discover(signal: AbortSignal): Promise<PluginAbility> {
    return discoverNetwork(signal);
  }

  plan(context: PlanContext): PlanStep[] {
    return planNetwork(context);
  }

  adapt(
    step: PlanStep,
    machine: VirtualMachine,
    _progress: (now: StepProgress) => void,
    signal: AbortSignal,
  ): Promise<Adapted> {
    const change = NetworkChange.parse(step.change);
    switch (change.action) {
      case 'bind':
        return bindNetwork(change.way, machine, this.#network, signal);
      case 'announce':
        return announceNetwork(change.way, machine, this.#network, signal);
      case 'apply':
        return applyToGuest(change.way, change.metered, machine, this.#network, signal);
    }
  }

  verify(to: Allocation, after: GuestState): Shortfall[] {
    return verifyNetwork(to, after);
  }
}
