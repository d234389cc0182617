import { DockError } from '../../protocol/dock-error.ts';
import type { Peers } from '../daemon/handlers.ts';
import type { HandOverPorts } from '../hand-over/hand-over-driver.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { type AdaptSurroundings, prepareToRun } from './adapt-workspace.ts';

/** One message to the other device, ms; the hand-over says it again by itself. */
const sendLimitMs = 5_000;

/** The hand-over's hands on this device: QEMU, the other device, the disk. */
export function handOverPorts(
  workspace: Workspace,
  peers: Peers,
  adapting: AdaptSurroundings,
): HandOverPorts {
  const { name, keeper } = workspace;
  const { log } = workspace.surroundings;
  return {
    peer: {
      async send(to, message) {
        await peers.call(
          to,
          'hand-over',
          { workspace: name, message },
          { signal: AbortSignal.timeout(sendLimitMs) },
        );
      },
    },
    vm: {
      observe: () => keeper.state(),
      async continueMigration() {
        if (workspace.departure === undefined) throw new DockError('conflict', 'no migration is under way');
        // Its result comes as an input of its own; waiting for it here would keep the hand-over from hearing it.
        void workspace.departure.finish();
      },
      async resume(signal) {
        await workspace.departure?.cancelMigration(signal);
        const machine = keeper.require();
        if ((await keeper.state()) === 'running') return;
        await prepareToRun(workspace, adapting, signal).catch((error: unknown) => {
          log.warn({ workspace: name, err: error }, 'it runs without all that it needs');
        });
        await machine.qemu.qmp.execute('cont', {}, signal);
      },
      quit: () => keeper.end(),
      async powerCut() {
        log.warn({ workspace: name }, 'it is this device’s and does not run; start it again');
        await keeper.leave();
      },
      inspectDisk: (epoch) => workspace.inspectDisk(epoch),
    },
  };
}
