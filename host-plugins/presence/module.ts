import { ContainerModule } from 'inversify';
import type { Logger } from 'pino';
import { Token } from '../contract/tokens.ts';
import type { DaemonConfig } from '../daemon/config.ts';
import type { DeviceDirectory } from '../daemon/device-directory.ts';
import type { ControlHandlers } from '../daemon/handlers.ts';
import type { Service } from '../daemon/lifecycle.ts';
import { DaemonToken } from '../daemon/tokens.ts';
import type { WatchHub } from '../daemon/watch-hub.ts';
import type { Identity } from '../pairing/identity.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import type { HostInventory } from '../system/host-inventory/host-inventory.ts';
import type { ObservationSource, StayAwake } from './observation.ts';
import { systemPresenceClock } from './presence-clock.ts';
import { PresenceService } from './presence-service.ts';
import { openRules } from './read-rules.ts';
import { PresenceToken } from './tokens.ts';
import type { WorkspacePlaces } from './workspace-places.ts';

/** Nearness and triggers. Needs the daemon's and the pipeline's modules; sources are bound by others. */
export const presenceModule = new ContainerModule(({ bind }) => {
  const service = Symbol.for('wireless-dock.presence');
  bind<PresenceService>(service)
    .toResolvedValue(
      (
        config: DaemonConfig,
        log: Logger,
        identity: Identity,
        trust: TrustStore,
        devices: DeviceDirectory,
        hub: WatchHub,
        inventory: HostInventory,
        places: WorkspacePlaces,
        sources: ObservationSource[] | undefined,
        stayAwake: StayAwake | undefined,
      ) =>
        new PresenceService({
          selfId: identity.id,
          trust,
          devices,
          hub,
          places,
          sources: sources ?? [],
          stayAwake,
          openRules: (signal) =>
            openRules(
              {
                policyFolders: config.policies,
                deviceName: config.device.name,
                discoverHost: (limit) => inventory.discoverHost(limit),
              },
              signal,
            ),
          clock: systemPresenceClock,
          log,
        }),
      [
        DaemonToken.Config,
        DaemonToken.Log,
        DaemonToken.Identity,
        DaemonToken.TrustStore,
        DaemonToken.Devices,
        DaemonToken.WatchHub,
        Token.HostInventory,
        PresenceToken.Places,
        { serviceIdentifier: PresenceToken.Source, isMultiple: true, optional: true },
        { serviceIdentifier: PresenceToken.StayAwake, optional: true },
      ],
    )
    .inSingletonScope();
  bind<Service>(DaemonToken.Service).toService(service);
  bind<ControlHandlers>(DaemonToken.ControlHandlers)
    .toResolvedValue((presence: PresenceService) => presence.controlHandlers, [service])
    .inSingletonScope();
});
