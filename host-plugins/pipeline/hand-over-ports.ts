import { DockError } from '../../protocol/dock-error.ts';
import type { Peers } from '../daemon/handlers.ts';
import type { HandOverPorts } from '../hand-over/hand-over-driver.ts';
import { OutgoingMigration } from '../qemu/outgoing-migration.ts';
import { stepAside } from '../system/process/step-aside.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { prepareToRun } from './adapt-workspace.ts';
import { type StartParts, startWorkspace } from './start-workspace.ts';

/** One message to the other device, ms; the hand-over says it again by itself. */
const sendLimitMs = 5_000;

/** Starting QEMU and its disk, ms. */
const startLimitMs = 120_000;
/** A VM that ends more often than this within the window, ms, is not started again by itself. */
const maxRestarts = 3;
const restartWindowMs = 10 * 60_000;

/** A VM that goes on after its move has the processors to itself for so long, ms. */
const goingOnMs = 2_000;

/** The hand-over's hands on this device: QEMU, the other device, the disk. */
export function handOverPorts(workspace: Workspace, peers: Peers, starting: StartParts): HandOverPorts {
  const { adapting } = starting;
  const restarts: number[] = [];
  const { name, keeper } = workspace;
  const { log } = workspace.surroundings;
  return {
    peer: {
      async send(to, message) {
        const sent = peers.call(
          to,
          'hand-over',
          { workspace: name, message },
          { signal: AbortSignal.timeout(sendLimitMs) },
        );
        if (message.say === 'go') stepAside(goingOnMs);
        await sent;
      },
    },
    vm: {
      observe: () => keeper.state(),
      async continueMigration() {
        if (workspace.departure === undefined) throw new DockError('conflict', 'no migration is under way');
        // Its result comes as an input of its own; waiting for it here would keep the hand-over from hearing it.
        workspace.departure.finish().catch((error: unknown) => {
          log.error(
            { workspace: name, err: error },
            'the hand-over could not be told how the migration ended',
          );
        });
      },
      async resume(signal) {
        const machine = keeper.require();
        const { network } = workspace.surroundings;
        await network.goOn(workspace.tap, signal).catch((error: unknown) => {
          log.warn({ workspace: name, err: error }, 'for some seconds others are told that it stands still');
        });
        // After a restart of wdockd nobody holds the migration any more, and QEMU refuses `cont` while it waits in it. A VM that
        // has just arrived waits in none, and each question is time in which it stands still.
        const hasJustArrived = workspace.arrival?.over.aborted === false;
        if (workspace.departure !== undefined) await workspace.departure.cancelMigration(signal);
        else if (!hasJustArrived)
          await (await OutgoingMigration.adopt(machine.qemu.qmp, () => {}, signal))?.cancel(signal);
        // One that has just arrived is paused.
        if (hasJustArrived) await machine.qemu.reconnect(signal);
        else if ((await keeper.state()) === 'running') return;
        const readiness = await (
          workspace.readiness ?? prepareToRun(workspace, workspace.epoch, adapting, signal)
        ).catch((error: unknown) => {
          log.warn({ workspace: name, err: error }, 'it runs without all that it needs');
        });
        await readiness?.show();
        const running = machine.qemu.qmp.execute('cont', {}, signal);
        // Beside it: it can run nowhere else now, and what comes for it waits at its tap.
        readiness?.announce();
        stepAside(goingOnMs);
        await running;
      },
      quit: () => keeper.end(),
      async powerCut() {
        await keeper.leave();
        if (workspace.record.wanted !== 'running') return;
        const now = adapting.clock.monotonic();
        restarts.push(now);
        if (restarts.filter((at) => now - at < restartWindowMs).length > maxRestarts) {
          log.error(
            { workspace: name },
            'it has ended again and again and is not started any more; see its qemu.log',
          );
          return;
        }
        log.warn(
          { workspace: name },
          'its memory is lost, as in a power cut: starting it again from its disk',
        );
        await startWorkspace(workspace, starting, AbortSignal.timeout(startLimitMs));
      },
      inspectDisk: (epoch) => workspace.inspectDisk(epoch),
    },
  };
}
