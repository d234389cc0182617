import { ContainerModule } from 'inversify';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { Token } from '../contract/tokens.ts';
import { HostNetwork, type HostNetworkSettings } from '../system/network/host-network.ts';
import { networkPlugin } from './network-plugin.ts';

/** Needs `Token.HostNetworkSettings` and `Token.HostBridges`. */
export const networkModule = new ContainerModule(({ bind }) => {
  bind<HostNetwork>(Token.HostNetwork)
    .toResolvedValue(
      (settings: HostNetworkSettings) => new HostNetwork(settings),
      [Token.HostNetworkSettings],
    )
    .inSingletonScope();
  bind<ResourcePlugin>(Token.Plugin)
    .toResolvedValue(networkPlugin, [Token.HostNetwork, Token.HostBridges])
    .inSingletonScope();
});
