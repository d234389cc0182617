import { join } from 'node:path';
import { ContainerModule } from 'inversify';
import type { Logger } from 'pino';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { Token } from '../contract/tokens.ts';
import type { DaemonConfig } from '../daemon/config.ts';
import type { DeviceDirectory } from '../daemon/device-directory.ts';
import type { ControlHandlers, HostCheck, MeetDevice, PeerHandlers, Peers } from '../daemon/handlers.ts';
import type { Service } from '../daemon/lifecycle.ts';
import type { Renewal } from '../daemon/renewal.ts';
import { DaemonToken } from '../daemon/tokens.ts';
import { version } from '../daemon/version.ts';
import type { WatchHub } from '../daemon/watch-hub.ts';
import type { Identity } from '../pairing/identity.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import { PresenceToken } from '../presence/tokens.ts';
import type { WorkspacePlaces } from '../presence/workspace-places.ts';
import type { HostInventory, HostInventorySettings } from '../system/host-inventory/host-inventory.ts';
import type { HostNetwork, HostNetworkSettings } from '../system/network/host-network.ts';
import { systemBusAddress } from '../system/network-manager/system-bus.ts';
import type { Channels } from '../tunnel/channels.ts';
import { PipelineService } from './pipeline-service.ts';

/** The pipeline and what it makes of this device's configuration. Needs the daemon's and the plugins' modules. */
export const pipelineModule = new ContainerModule(({ bind }) => {
  bind<HostNetworkSettings>(Token.HostNetworkSettings)
    .toResolvedValue(
      (config: DaemonConfig): HostNetworkSettings => ({
        runtimeFolder: join(config.runtimeFolder, 'network'),
        closedPorts: [config.listen.port],
      }),
      [DaemonToken.Config],
    )
    .inSingletonScope();
  bind<HostInventorySettings>(Token.HostInventorySettings)
    .toResolvedValue(
      (config: DaemonConfig): HostInventorySettings => ({
        deviceClass: config.device.class,
        profileFile: config.profile,
        diskFolder: config.stateFolder,
        systemBus: systemBusAddress(),
        ...config.network,
      }),
      [DaemonToken.Config],
    )
    .inSingletonScope();
  bind<PipelineService>(PipelineToken.Service)
    .toResolvedValue(
      (
        config: DaemonConfig,
        log: Logger,
        identity: Identity,
        trust: TrustStore,
        peers: Peers,
        channels: Channels,
        devices: DeviceDirectory,
        hub: WatchHub,
        plugins: ResourcePlugin[],
        network: HostNetwork,
        inventory: HostInventory,
        checks: HostCheck[] | undefined,
        renewal: Renewal,
      ) =>
        new PipelineService({
          config,
          log,
          identity,
          trust,
          peers,
          channels,
          devices,
          hub,
          plugins,
          network,
          inventory,
          checks: checks ?? [],
          renewal,
          version,
        }),
      [
        DaemonToken.Config,
        DaemonToken.Log,
        DaemonToken.Identity,
        DaemonToken.TrustStore,
        DaemonToken.Peers,
        DaemonToken.Channels,
        DaemonToken.Devices,
        DaemonToken.WatchHub,
        { serviceIdentifier: Token.Plugin, isMultiple: true },
        Token.HostNetwork,
        Token.HostInventory,
        { serviceIdentifier: DaemonToken.Checks, isMultiple: true, optional: true },
        DaemonToken.Renewal,
      ],
    )
    .inSingletonScope();
  const ofService = <T>(take: (service: PipelineService) => T) => take;
  bind<Service>(DaemonToken.Service).toService(PipelineToken.Service);
  bind<WorkspacePlaces>(PresenceToken.Places)
    .toResolvedValue(
      ofService((service) => service.places),
      [PipelineToken.Service],
    )
    .inSingletonScope();
  bind<MeetDevice>(DaemonToken.Meet)
    .toResolvedValue(
      ofService((service) => service.meet),
      [PipelineToken.Service],
    )
    .inSingletonScope();
  bind<ControlHandlers>(DaemonToken.ControlHandlers)
    .toResolvedValue(
      ofService((service) => service.controlHandlers),
      [PipelineToken.Service],
    )
    .inSingletonScope();
  bind<PeerHandlers>(DaemonToken.PeerHandlers)
    .toResolvedValue(
      ofService((service) => service.peerHandlers),
      [PipelineToken.Service],
    )
    .inSingletonScope();
});

const PipelineToken = { Service: Symbol.for('wireless-dock.pipeline') } as const;
