import { ContainerModule } from 'inversify';
import type { Logger } from 'pino';
import { Token } from '../../contract/tokens.ts';
import type { Service } from '../../daemon/lifecycle.ts';
import { DaemonToken } from '../../daemon/tokens.ts';
import { AnswerService } from './answer-service.ts';
import { HostNetwork, type HostNetworkSettings } from './host-network.ts';

/** Needs `Token.HostNetworkSettings` and the daemon's log. */
export const hostNetworkModule = new ContainerModule(({ bind }) => {
  bind<HostNetwork>(Token.HostNetwork)
    .toResolvedValue(
      (settings: HostNetworkSettings) => new HostNetwork(settings),
      [Token.HostNetworkSettings],
    )
    .inSingletonScope();
  bind<Service>(DaemonToken.Service)
    .toResolvedValue(
      (network: HostNetwork, log: Logger) => new AnswerService(network, log),
      [Token.HostNetwork, DaemonToken.Log],
    )
    .inSingletonScope();
});
