import type { Adapted, ResourcePlugin } from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import type { HostBridges } from '../system/bridge/host-bridges.ts';
import type { HostNetwork } from '../system/network/host-network.ts';
import { announceNetwork, applyToGuest, bindNetwork } from './adapt.ts';
import { discoverNetwork } from './discover.ts';
import { NetworkChange, planNetwork, type Way } from './plan.ts';
import { settleWay } from './settle-way.ts';
import { verifyNetwork } from './verify.ts';

/** The guest stays the same host on the LAN: on a bridge, or routed to where there can be none. Or it is behind its host. */
export function networkPlugin(network: HostNetwork, bridges: HostBridges): ResourcePlugin {
  return {
    resource: 'network',
    abilities: { hotplug: true, survivesMigration: true },
    discover: discoverNetwork,
    plan: planNetwork,
    adapt: async (step, machine, _progress, signal) => {
      const change = NetworkChange.parse(step.change);
      const { way, shortfalls } = await settleWay(
        change.way,
        bridges,
        network,
        change.action === 'bind',
        signal,
      );
      const adapted = await adaptTo(way, change, machine, network, signal);
      return { ...adapted, shortfalls: [...shortfalls, ...adapted.shortfalls] };
    },
    verify: verifyNetwork,
  };
}

function adaptTo(
  way: Way,
  change: NetworkChange,
  machine: VirtualMachine,
  network: HostNetwork,
  signal: AbortSignal,
): Promise<Adapted> {
  switch (change.action) {
    case 'bind':
      return bindNetwork(way, change.ports, machine, network, signal);
    case 'announce':
      return announceNetwork(way, machine, network, signal);
    case 'apply':
      return applyToGuest(way, change.told, machine, network, signal);
  }
}
