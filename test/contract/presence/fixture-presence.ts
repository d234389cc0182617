import { once } from 'node:events';
import { ContainerModule } from 'inversify';
import { shippedModules } from '../../../host-plugins/daemon/container.ts';
import { loadConfig } from '../../../host-plugins/daemon/load-config.ts';
import { DaemonToken } from '../../../host-plugins/daemon/tokens.ts';
import { startWdockd } from '../../../host-plugins/daemon/wdockd.ts';
import type { TrustStore } from '../../../host-plugins/pairing/trust-store.ts';
import type { ObservationSource } from '../../../host-plugins/presence/observation.ts';
import { PresenceToken } from '../../../host-plugins/presence/tokens.ts';
import { DockError } from '../../../protocol/dock-error.ts';

/**
 * The shipped wdockd with one source of observations: each trusted device has a good link, measured twice a second.
 *
 * usage: fixture-presence.ts CONFIG; prints `serving now`; SIGTERM ends it, and so does the end of its standard input,
 * which is the end of the test that started it.
 */
process.stdin
  .resume()
  .once('end', () => process.exit(1))
  .unref();
const file = process.argv[2];
if (file === undefined) throw new Error('usage: fixture-presence.ts CONFIG');

const beatMs = 500;

const goodLinks = (trust: TrustStore): ObservationSource => ({
  name: 'good links',
  observe: async (told, signal) => {
    const beat = () => {
      for (const { id } of trust.list())
        told({
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

try {
  const stop = once(process, 'SIGTERM');
  await using _ = await startWdockd(
    await loadConfig(file),
    { modules: [...shippedModules, sources], logToStdout: false, renew: () => undefined },
    new AbortController().signal,
  );
  console.log('serving now');
  await stop;
} catch (error) {
  console.error(DockError.from(error).message);
  process.exitCode = 1;
}
