import { ContainerModule } from 'inversify';
import type { Logger } from 'pino';
import type { DaemonConfig } from '../daemon/config.ts';
import type { DeviceDirectory } from '../daemon/device-directory.ts';
import type { ControlHandlers, HostCheck } from '../daemon/handlers.ts';
import type { Service } from '../daemon/lifecycle.ts';
import { DaemonToken as T } from '../daemon/tokens.ts';
import { version } from '../daemon/version.ts';
import type { WatchHub } from '../daemon/watch-hub.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import { systemBusAddress } from '../system/network-manager/system-bus.ts';
import { checkHostBus } from './check-host-bus.ts';
import { HostBus } from './host-bus.ts';
import { HostBusReport } from './host-bus-state.ts';

/** `org.wirelessdock.Host1` on the system bus. Needs the handlers of all other modules. */
export const hostBusModule = new ContainerModule(({ bind }) => {
  const report = new HostBusReport();
  bind<HostCheck>(T.Checks).toConstantValue(async () => [await checkHostBus(report)]);
  bind<Service>(T.Service)
    .toResolvedValue(
      (
        config: DaemonConfig,
        devices: DeviceDirectory,
        trust: TrustStore,
        hub: WatchHub,
        handlers: ControlHandlers[],
        log: Logger,
      ) =>
        new HostBus({
          address: config.dbus.serve ? systemBusAddress() : undefined,
          version,
          devices,
          trust,
          hub,
          handlers,
          report,
          log,
        }),
      [
        T.Config,
        T.Devices,
        T.TrustStore,
        T.WatchHub,
        { serviceIdentifier: T.ControlHandlers, isMultiple: true },
        T.Log,
      ],
    )
    .inSingletonScope();
});
