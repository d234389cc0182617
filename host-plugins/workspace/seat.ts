import type { WorkspaceRecord } from '../../protocol/workspace.ts';
import { adoptDisplayBus, startDisplayBus } from '../qemu/display-bus.ts';
import { machineUserOf, releaseFolder } from '../qemu/machine-folder.ts';
import type { HostNetwork } from '../system/network/host-network.ts';
import { letUserOnline, takeUserOffline } from '../system/network/offline-user.ts';
import { endProcessesOf } from '../system/process/user-processes.ts';
import { tapName, type WorkspacePaths } from './paths.ts';

/**
 * What QEMU needs on a host before it starts, besides the disk: the display's bus and the tap, which its user may open;
 * that user gets nowhere else. Idempotent.
 */
export async function takeSeat(
  record: WorkspaceRecord,
  paths: WorkspacePaths,
  network: HostNetwork,
  user: number | undefined,
  signal: AbortSignal,
): Promise<void> {
  await startDisplayBus(paths.run, signal);
  const owner = user === undefined ? undefined : String(user);
  if (user !== undefined) await takeUserOffline(user, signal);
  await network.createTap(tapName(record.name), record.contract.macAddress, owner, signal);
}

/** Ends the bus, removes the tap and gives the user back, after QEMU has ended. Nothing to do is no error. */
export async function leaveSeat(
  record: WorkspaceRecord,
  paths: WorkspacePaths,
  network: HostNetwork,
  signal: AbortSignal,
): Promise<void> {
  const bus = await adoptDisplayBus(paths.run);
  await bus?.terminate(2_000, signal);
  await network.removeTap(tapName(record.name), signal);
  const user = await machineUserOf(paths.run.folder);
  if (user !== undefined) {
    await endProcessesOf(user, signal);
    await letUserOnline(user, signal);
  }
  await releaseFolder(paths.run.folder, signal);
}
