import { ContainerModule } from 'inversify';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { Token } from '../contract/tokens.ts';
import { networkPlugin } from './network-plugin.ts';

/** Needs `Token.HostNetwork` and `Token.HostBridges`. */
export const networkModule = new ContainerModule(({ bind }) => {
  bind<ResourcePlugin>(Token.Plugin)
    .toResolvedValue(networkPlugin, [Token.HostNetwork, Token.HostBridges])
    .inSingletonScope();
});
