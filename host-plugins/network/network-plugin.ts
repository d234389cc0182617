import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import type { HostNetwork } from '../system/network/host-network.ts';
import { announceNetwork, applyToGuest, bindNetwork } from './adapt.ts';
import { discoverNetwork } from './discover.ts';
import { NetworkChange, planNetwork } from './plan.ts';
import { verifyNetwork } from './verify.ts';

/** The guest stays the same host on the LAN: on a bridge, or routed to where there can be none. */
export function networkPlugin(network: HostNetwork): ResourcePlugin {
  return {
    resource: 'network',
    abilities: { hotplug: true, survivesMigration: true },
    discover: discoverNetwork,
    plan: planNetwork,
    adapt: (step, machine, _progress, signal) => {
      const change = NetworkChange.parse(step.change);
      switch (change.action) {
        case 'bind':
          return bindNetwork(change.way, change.open, machine, network, signal);
        case 'announce':
          return announceNetwork(change.way, machine, network, signal);
        case 'apply':
          return applyToGuest(change.way, change.metered, machine, network, signal);
      }
    },
    verify: verifyNetwork,
  };
}
