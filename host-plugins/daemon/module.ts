import { ContainerModule } from 'inversify';
import type { Logger } from 'pino';
import { peerMethods } from '../../protocol/peer-methods.ts';
import { checkDeviceKey } from '../pairing/check-device-key.ts';
import type { Identity, OwnIdentity } from '../pairing/identity.ts';
import { PairingDesk } from '../pairing/pairing-desk.ts';
import { PeerConnections } from '../pairing/peer-connections.ts';
import { SecureServer } from '../pairing/secure-server.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import { Channels } from '../tunnel/channels.ts';
import type { DaemonConfig } from './config.ts';
import { ControlServer } from './control-server.ts';
import { DeviceDirectory, deviceHandlers } from './device-directory.ts';
import type { ControlHandlers, HostCheck, MeetDevice, PeerHandlers, Peers } from './handlers.ts';
import type { Service } from './lifecycle.ts';
import { pairingHandlers } from './pairing-handlers.ts';
import { PeerServer } from './peer-server.ts';
import { RefusalLog } from './refusal-log.ts';
import type { Renewal } from './renewal.ts';
import { DaemonToken as T } from './tokens.ts';
import { WatchHub } from './watch-hub.ts';

/** wdockd's frame: identity, doors, devices. What stands behind the doors is bound by other modules. */
export const daemonModule = new ContainerModule(({ bind }) => {
  bind<SecureServer>(T.SecureServer)
    .toResolvedValue(
      (identity: Identity, trust: TrustStore, log: Logger) => {
        const refusals = new RefusalLog((fields) => log.warn(fields, 'a connection was turned away'));
        return new SecureServer(identity, trust, {
          onRefused: (remoteAddress, why) => refusals.add(remoteAddress, why),
        });
      },
      [T.Identity, T.TrustStore, T.Log],
    )
    .inSingletonScope();
  bind<Peers>(T.Peers)
    .toResolvedValue(
      (identity: Identity, trust: TrustStore, server: SecureServer) =>
        new PeerConnections({ identity, trust, server, table: peerMethods }),
      [T.Identity, T.TrustStore, T.SecureServer],
    )
    .inSingletonScope();
  bind<Channels>(T.Channels)
    .toResolvedValue(
      (config: DaemonConfig, identity: Identity, trust: TrustStore, server: SecureServer) => {
        const patienceMs = config.tunnel.patienceMinutes * 60_000;
        return new Channels({ identity, trust, server, patienceMs });
      },
      [T.Config, T.Identity, T.TrustStore, T.SecureServer],
    )
    .inSingletonScope();
  bind<WatchHub>(T.WatchHub).toConstantValue(new WatchHub());
  bind<DeviceDirectory>(T.Devices)
    .toResolvedValue(
      (
        config: DaemonConfig,
        identity: Identity,
        trust: TrustStore,
        peers: Peers,
        channels: Channels,
        hub: WatchHub,
      ) => {
        const directory = new DeviceDirectory({ config, identity, trust, peers, channels });
        directory.announce(hub);
        return directory;
      },
      [T.Config, T.Identity, T.TrustStore, T.Peers, T.Channels, T.WatchHub],
    )
    .inSingletonScope();
  bind<HostCheck>(T.Checks).toResolvedValue(
    ({ keyAtRest }: OwnIdentity): HostCheck =>
      async () => [checkDeviceKey(keyAtRest)],
    [T.Identity],
  );
  bind<ControlHandlers>(T.ControlHandlers)
    .toResolvedValue(deviceHandlers, [T.Devices, T.Identity, T.TrustStore])
    .inSingletonScope();
  bind<ControlHandlers>(T.ControlHandlers)
    .toResolvedValue(
      (
        config: DaemonConfig,
        identity: Identity,
        trust: TrustStore,
        server: SecureServer,
        directory: DeviceDirectory,
        log: Logger,
        meet: MeetDevice | undefined,
      ) => {
        const desk = new PairingDesk({ identity, name: config.device.name, trust, server });
        return pairingHandlers(desk, directory, identity, log, meet);
      },
      [
        T.Config,
        T.Identity,
        T.TrustStore,
        T.SecureServer,
        T.Devices,
        T.Log,
        { serviceIdentifier: T.Meet, optional: true },
      ],
    )
    .inSingletonScope();
  bind<ControlHandlers>(T.ControlHandlers)
    .toResolvedValue(
      (hub: WatchHub): ControlHandlers => ({
        watch: async (_params, { signal, progress }) => {
          await hub.watch(progress, signal);
          return {};
        },
      }),
      [T.WatchHub],
    )
    .inSingletonScope();
  bind<Service>(T.Service)
    .toResolvedValue(
      (
        config: DaemonConfig,
        server: SecureServer,
        peers: Peers,
        channels: Channels,
        handlers: PeerHandlers[] | undefined,
        log: Logger,
        renewal: Renewal,
      ) => new PeerServer({ config, server, peers, channels, handlers: handlers ?? [], log, renewal }),
      [
        T.Config,
        T.SecureServer,
        T.Peers,
        T.Channels,
        { serviceIdentifier: T.PeerHandlers, isMultiple: true, optional: true },
        T.Log,
        T.Renewal,
      ],
    )
    .inSingletonScope();
  bind<Service>(T.Service)
    .toResolvedValue(
      (config: DaemonConfig, handlers: ControlHandlers[], log: Logger, renewal: Renewal) =>
        new ControlServer(
          config.controlSocket,
          { name: config.device.name, simulated: config.profile !== undefined },
          handlers,
          log,
          renewal,
        ),
      [T.Config, { serviceIdentifier: T.ControlHandlers, isMultiple: true }, T.Log, T.Renewal],
    )
    .inSingletonScope();
});
