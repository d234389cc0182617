import { once } from 'node:events';
import { ContainerModule } from 'inversify';
import type { ControlHandlers, PeerHandlers, Peers } from '../../../host-plugins/daemon/handlers.ts';
import { loadConfig } from '../../../host-plugins/daemon/load-config.ts';
import { DaemonToken } from '../../../host-plugins/daemon/tokens.ts';
import { startWdockd } from '../../../host-plugins/daemon/wdockd.ts';
import type { TrustStore } from '../../../host-plugins/pairing/trust-store.ts';
import { DockError } from '../../../protocol/dock-error.ts';

/**
 * A wdockd that has the real frame and, behind its doors, a trip that only waits to be cancelled: what the tests
 * of the frame need, in a process of its own so that it can be killed.
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

const controlHandlers = (peers: Peers, trust: TrustStore): ControlHandlers => ({
  dock: async ({ target }, { signal, progress }) => {
    progress({
      kind: 'trip-started',
      at: Date.now(),
      trip: 'dock',
      workspace: 'work',
      from: 'here',
      to: target,
      simulated: true,
    });
    await once(signal, 'abort');
    throw new DockError('cancelled', 'the dock was undone');
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
  new ContainerModule(({ bind }) => {
    bind<ControlHandlers>(DaemonToken.ControlHandlers)
      .toResolvedValue(controlHandlers, [DaemonToken.Peers, DaemonToken.TrustStore])
      .inSingletonScope();
    bind<PeerHandlers>(DaemonToken.PeerHandlers).toConstantValue(peerHandlers);
  }),
];

try {
  const stop = once(process, 'SIGTERM');
  await using _ = await startWdockd(
    await loadConfig(file),
    { modules, logToStdout: false },
    new AbortController().signal,
  );
  console.log('serving now');
  await stop;
} catch (error) {
  console.error(DockError.from(error).message);
  process.exitCode = 1;
}
