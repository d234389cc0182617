import { DockError } from '../../protocol/dock-error.ts';
import { fileChannel, setMigration, socketChannel } from './migration-settings.ts';
import { migrationFailure, untilMigration } from './migration-wait.ts';
import type { QmpClient } from './qmp-client.ts';
import type { QmpProcess } from './qmp-process.ts';
import { type MigrationInfo, queryMigration, queryStatus } from './qmp-schema.ts';

/**
 * The receiving half of a move, in a QEMU that was started with `incoming: 'defer'`. Returns when QEMU
 * listens on the socket, so that the source may start.
 */
export async function startIncoming(qmp: QmpClient, socket: string, signal: AbortSignal): Promise<void> {
  await setMigration(qmp, 'move', {}, signal);
  await receive(qmp, socketChannel(socket), signal);
}

/**
 * Resolves when all state has been loaded: the VM stands, paused, and its disk is not touched before `cont`.
 * Rejects with QEMU's reason when it refuses the stream or the stream breaks; that QEMU is of no use any more
 * then, and is to be quit.
 */
export async function untilArrived(qemu: QmpProcess, signal: AbortSignal): Promise<void> {
  const info = await untilMigration(qemu.qmp, ['completed'], () => {}, signal);
  if (info.status !== 'completed') throw await loadFailure('the incoming VM', info, qemu);
}

/**
 * Loads a state that `saveState` wrote, in a QEMU of the same shape that was started with `incoming:
 * 'defer'`. When it resolves the VM stands, paused.
 */
export async function loadState(qemu: QmpProcess, file: string, signal: AbortSignal): Promise<void> {
  const { qmp } = qemu;
  await setMigration(qmp, 'save', {}, signal);
  await receive(qmp, fileChannel(file), signal);
  const info = await untilMigration(qmp, ['completed'], () => {}, signal);
  if (info.status !== 'completed') throw await loadFailure(`the saved state ${file}`, info, qemu);
}

/** Whether this QEMU waits for a VM, has one, or had one that did not arrive whole. */
export async function readIncoming(
  qmp: QmpClient,
  signal: AbortSignal,
): Promise<'waiting' | 'arriving' | 'arrived' | 'failed'> {
  const [{ status }, run] = [await queryMigration(qmp, signal), await queryStatus(qmp, signal)];
  if (status === 'failed' || status === 'cancelled') return 'failed';
  if (run.status === 'inmigrate') return status === 'none' || status === 'setup' ? 'waiting' : 'arriving';
  if (status === 'completed') return 'arrived';
  throw new DockError('conflict', `this QEMU was not started for an incoming VM: it is ${run.status}`);
}

/** `exit-on-error: false`, so that QEMU stays and can be asked for the reason. */
async function receive(qmp: QmpClient, channel: object, signal: AbortSignal): Promise<void> {
  await qmp.execute('migrate-incoming', { ...channel, 'exit-on-error': false }, signal);
}

/** QMP says only that loading failed; which device or memory did not fit is in QEMU's log. */
async function loadFailure(what: string, info: MigrationInfo, qemu: QmpProcess): Promise<DockError> {
  const said = (await qemu.process.logTail(4)).replace(/^\S+Z qemu-system-x86_64: /gm, '');
  return migrationFailure(what, info, said);
}
