import { once } from 'node:events';
import { ContainerModule } from 'inversify';
import type { ControlHandlers, PeerHandlers, Peers } from '../../../host-plugins/daemon/handlers.ts';
import { loadConfig } from '../../../host-plugins/daemon/load-config.ts';
import { DaemonToken } from '../../../host-plugins/daemon/tokens.ts';
import type { WatchHub } from '../../../host-plugins/daemon/watch-hub.ts';
import { startWdockd } from '../../../host-plugins/daemon/wdockd.ts';
import { hostBusModule } from '../../../host-plugins/host-bus/module.ts';
import { metricsModule } from '../../../host-plugins/metrics/module.ts';
import type { TrustStore } from '../../../host-plugins/pairing/trust-store.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import type { ProgressEvent } from '../../../protocol/progress-event.ts';

/**
 * A wdockd that has the real frame and, behind its doors, a workspace whose trips only wait to be cancelled: what the
 * tests of the frame need, in a process of its own so that it can be killed.
 *
 * usage: fixture-wdockd.ts CONFIG; prints `serving now`; SIGTERM ends it, and so does the end of its standard input,
 * which is the end of the test that started it.
 */
process.stdin
  .resume()
  .once('end', () => process.exit(1))
  .unref();
const file = process.argv[2];
if (file === undefined) throw new Error('usage: fixture-wdockd.ts CONFIG');

let cancelled = new AbortController();

const controlHandlers = (peers: Peers, trust: TrustStore, hub: WatchHub): ControlHandlers => ({
  'workspace.list': async () => [
    { name: 'work', homeDevice: 'here', state: 'here' as const, runsOn: 'here', epoch: 7 },
  ],
  dock: async ({ target }, { signal, progress }) => {
    if (target === 'nowhere') throw new DockError('not-found', 'no device "nowhere" is known here');
    cancelled = new AbortController();
    const emit = (event: ProgressEvent) => {
      progress(event);
      hub.publish({ kind: 'trip', at: event.at, workspace: 'work', event });
    };
    const at = Date.now();
    const ends = { from: 'here', to: target };
    emit({ kind: 'trip-started', at, trip: 'dock', workspace: 'work', ...ends, simulated: true });
    emit({ kind: 'stage-progress', at, stage: 'transfer', fraction: 0.5, text: '<half> & more' });
    await once(AbortSignal.any([signal, cancelled.signal]), 'abort');
    const error = new DockError('cancelled', 'the dock was undone');
    emit({ kind: 'trip-failed', at, stage: 'transfer', error: error.toData(), runsOn: 'here' });
    throw error;
  },
  cancel: async () => {
    cancelled.abort();
    return {};
  },
  undock: async (_params, { signal }) => {
    const [other] = trust.list();
    if (other === undefined) throw new DockError('not-found', 'nobody is trusted');
    return await peers.call(other.id, 'undock', { workspace: 'work' }, { signal });
  },
});

const peerHandlers: PeerHandlers = {
  describe: async (_params, { caller }) => {
    throw new DockError('conflict', `${caller.name} asks too early`);
  },
  undock: async (_params, { signal }) => {
    console.log('undock was asked');
    await once(signal, 'abort');
    throw new DockError('cancelled', 'the undock was undone');
  },
};

const modules = [
  hostBusModule,
  metricsModule,
  new ContainerModule(({ bind }) => {
    bind<ControlHandlers>(DaemonToken.ControlHandlers)
      .toResolvedValue(controlHandlers, [DaemonToken.Peers, DaemonToken.TrustStore, DaemonToken.WatchHub])
      .inSingletonScope();
    bind<PeerHandlers>(DaemonToken.PeerHandlers).toConstantValue(peerHandlers);
  }),
];

try {
  const stop = once(process, 'SIGTERM');
  await using _ = await startWdockd(
    await loadConfig(file),
    { modules, logToStdout: false, renew: () => undefined },
    new AbortController().signal,
  );
  console.log('serving now');
  await stop;
} catch (error) {
  console.error(DockError.from(error).message);
  process.exitCode = 1;
}
