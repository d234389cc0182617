import type { WorkspaceRecord } from '../../protocol/workspace.ts';
import { adoptDisplayBus, startDisplayBus } from '../qemu/display-bus.ts';
import type { HostNetwork } from '../system/network/host-network.ts';
import { tapName, type WorkspacePaths } from './paths.ts';

/** What QEMU needs on a host before it starts, besides the disk: the display's bus and the tap. Idempotent. */
export async function takeSeat(
  record: WorkspaceRecord,
  paths: WorkspacePaths,
  network: HostNetwork,
  signal: AbortSignal,
): Promise<void> {
  await startDisplayBus(paths.run, signal);
  await network.createTap(tapName(record.name), record.contract.macAddress, undefined, signal);
}

/** Ends the bus and removes the tap, after QEMU has ended. Nothing to do is no error. */
export async function leaveSeat(
  record: WorkspaceRecord,
  paths: WorkspacePaths,
  network: HostNetwork,
  signal: AbortSignal,
): Promise<void> {
  const bus = await adoptDisplayBus(paths.run);
  await bus?.terminate(2_000, signal);
  await network.removeTap(tapName(record.name), signal);
}
