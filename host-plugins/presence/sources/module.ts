import { ContainerModule } from 'inversify';
import type { DaemonConfig } from '../../daemon/config.ts';
import type { HostCheck, Peers } from '../../daemon/handlers.ts';
import { DaemonToken } from '../../daemon/tokens.ts';
import type { Identity } from '../../pairing/identity.ts';
import type { SecureServer } from '../../pairing/secure-server.ts';
import type { TrustStore } from '../../pairing/trust-store.ts';
import { readPower } from '../../system/host-inventory/read-power.ts';
import { systemBusAddress } from '../../system/network-manager/system-bus.ts';
import type { ObservationSource, StayAwake } from '../observation.ts';
import { PresenceToken } from '../tokens.ts';
import { AnnouncementSource } from './announcements/announcement-source.ts';
import { CableSource } from './cable-source.ts';
import type { CheckedSource } from './checked-source.ts';
import { LinkSource } from './link-source.ts';
import { hasLid } from './logind/has-lid.ts';
import { LogindSource } from './logind/logind-source.ts';
import { SleepGuard } from './logind/sleep-guard.ts';
import { playedHost } from './played-host.ts';
import { PowerSource } from './power-source.ts';

const sourceNames = ['announcements', 'links', 'power', 'cable', 'logind'] as const;
type Sources = Readonly<Record<(typeof sourceNames)[number], CheckedSource>> & { readonly guard: SleepGuard };

/** Everything that is observed, each source with its line in `wdock doctor`. */
export const sourcesModule = new ContainerModule(({ bind }) => {
  bind<Sources>(SourcesToken.All)
    .toResolvedValue(makeSources, [
      DaemonToken.Config,
      DaemonToken.Identity,
      DaemonToken.TrustStore,
      DaemonToken.SecureServer,
      DaemonToken.Peers,
    ])
    .inSingletonScope();
  for (const name of sourceNames) {
    bind<ObservationSource>(PresenceToken.Source)
      .toResolvedValue((sources: Sources) => sources[name], [SourcesToken.All])
      .inSingletonScope();
  }
  bind<HostCheck>(DaemonToken.Checks)
    .toResolvedValue(
      (sources: Sources): HostCheck =>
        (signal) =>
          Promise.all(sourceNames.map((name) => sources[name].check(signal))),
      [SourcesToken.All],
    )
    .inSingletonScope();
  bind<StayAwake>(PresenceToken.StayAwake)
    .toResolvedValue((sources: Sources) => sources.guard, [SourcesToken.All])
    .inSingletonScope();
});

const SourcesToken = { All: Symbol.for('wireless-dock.observation-sources') } as const;

function makeSources(
  config: DaemonConfig,
  identity: Identity,
  trust: TrustStore,
  server: SecureServer,
  peers: Peers,
): Sources {
  const systemBus = systemBusAddress();
  const plays = config.profile === undefined ? undefined : playedHost(config.profile);
  const guard = new SleepGuard(systemBus);
  return {
    announcements: new AnnouncementSource({ identity, trust, systemBus, listening: () => server.address }),
    links: new LinkSource({ peers, trust, plays }),
    power: new PowerSource({ read: (signal) => plays?.power(signal) ?? readPower(signal) }),
    cable: new CableSource({ plays, uplink: config.network?.uplink }),
    logind: new LogindSource({ systemBus, guard, hasLid }),
    guard,
  };
}
