import { join } from 'node:path';
import { ContainerModule } from 'inversify';
import type { Logger } from 'pino';
import { Token } from '../../contract/tokens.ts';
import type { DaemonConfig } from '../../daemon/config.ts';
import type { Service } from '../../daemon/lifecycle.ts';
import { DaemonToken } from '../../daemon/tokens.ts';
import { systemBusAddress } from '../network-manager/system-bus.ts';
import { BridgeService } from './bridge-service.ts';
import { HostBridges } from './host-bridges.ts';

/** Who undocks for lunch finds the bridge as it was, ms. */
const holdOffMs = 10 * 60_000;

/** Needs the daemon's configuration and log. */
export const bridgeModule = new ContainerModule(({ bind }) => {
  bind<HostBridges>(Token.HostBridges)
    .toResolvedValue(
      (config: DaemonConfig) =>
        new HostBridges({
          runtimeFolder: join(config.runtimeFolder, 'network'),
          systemBus: systemBusAddress(),
          holdOffMs,
        }),
      [DaemonToken.Config],
    )
    .inSingletonScope();
  bind<Service>(DaemonToken.Service)
    .toResolvedValue(
      (bridges: HostBridges, log: Logger) => new BridgeService(bridges, log),
      [Token.HostBridges, DaemonToken.Log],
    )
    .inSingletonScope();
});
