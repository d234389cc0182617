import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ContainerModule } from 'inversify';
import { shippedModules } from '../../../host-plugins/daemon/container.ts';
import { loadConfig } from '../../../host-plugins/daemon/load-config.ts';
import { DaemonToken } from '../../../host-plugins/daemon/tokens.ts';
import type { WatchHub } from '../../../host-plugins/daemon/watch-hub.ts';
import { startWdockd } from '../../../host-plugins/daemon/wdockd.ts';
import type { Identity } from '../../../host-plugins/pairing/identity.ts';
import type { TrustStore } from '../../../host-plugins/pairing/trust-store.ts';
import type { ObservationSource } from '../../../host-plugins/presence/observation.ts';
import { PresenceToken } from '../../../host-plugins/presence/tokens.ts';
import type { WorkspacePlaces } from '../../../host-plugins/presence/workspace-places.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { WaitingPlaces } from './waiting-places.ts';

/**
 * The shipped wdockd with one source of observations: each trusted device has a good link, measured twice a second, as long
 * as it is not told `away` on its standard input, until `near`. With `work` it has a workspace of that name, without a machine.
 *
 * usage: fixture-presence.ts CONFIG [work]; prints `serving now`; SIGTERM ends it, and so does the end of its standard input,
 * which is the end of the test that started it.
 */
const told = createInterface({ input: process.stdin }).once('close', () => process.exit(1));
process.stdin.unref();
const [, , file, workspace] = process.argv;
if (file === undefined) throw new Error('usage: fixture-presence.ts CONFIG [work]');

const beatMs = 500;

const goodLinks = (trust: TrustStore): ObservationSource => ({
  name: 'good links',
  observe: async (tell, signal) => {
    let near = true;
    told.on('line', (line) => {
      near = line === 'near';
      for (const { id } of near ? [] : trust.list()) tell({ kind: 'link-lost', device: id });
    });
    const beat = () => {
      for (const { id } of near ? trust.list() : [])
        tell({
          kind: 'link',
          device: id,
          medium: 'wifi',
          rttMs: 4,
          lossShare: 0,
          signalDbm: -54,
        });
    };
    const timer = setInterval(beat, beatMs);
    await once(signal, 'abort');
    clearInterval(timer);
    console.log('the source has ended');
  },
});

const sources = new ContainerModule(({ bind }) => {
  bind<ObservationSource>(PresenceToken.Source)
    .toResolvedValue(goodLinks, [DaemonToken.TrustStore])
    .inSingletonScope();
});

const places = new ContainerModule(({ rebind }) => {
  rebind<WorkspacePlaces>(PresenceToken.Places)
    .toResolvedValue(
      (identity: Identity, hub: WatchHub) => new WaitingPlaces(identity.id, hub),
      [DaemonToken.Identity, DaemonToken.WatchHub],
    )
    .inSingletonScope();
});
const added = workspace === undefined ? [sources] : [sources, places];

try {
  const stop = once(process, 'SIGTERM');
  await using _ = await startWdockd(
    await loadConfig(file),
    { modules: [...shippedModules, ...added], logToStdout: false, renew: () => undefined },
    new AbortController().signal,
  );
  console.log('serving now');
  await stop;
} catch (error) {
  console.error(DockError.from(error).message);
  process.exitCode = 1;
}
