import { DockError } from '../../protocol/dock-error.ts';
import { compareDisk } from '../workspace/disk-mark.ts';
import type { Workspace } from '../workspace/workspace.ts';

/**
 * Throws `conflict` unless the workspace, which is at home here, is in just this image and rests. An offer of it that was
 * not taken yet is withdrawn: the device that asked for it may never come back.
 */
export async function requireImage(workspace: Workspace, image: string): Promise<void> {
  const { name, handOver, surroundings } = workspace;
  if (workspace.image === image && handOver.state.position.at === 'offering') {
    await handOver.input({ in: 'cancel', reason: 'it is resumed anew' });
  }
  const { position } = handOver.state;
  if (position.at === 'suspended' && position.image === image) return;
  if (position.at === 'released' && position.image === image) {
    throw new DockError(
      'conflict',
      `"${surroundings.nameOf(position.peer)}" has resumed "${name}" from a copy of this image, and has not said yet that it runs there. ` +
        `If that device is gone for good: wdock workspace force-owner ${name}`,
    );
  }
  if (position.at === 'suspended') {
    throw new DockError(
      'conflict',
      `"${name}" was suspended again since: ${workspace.status().detail}. This image is older than its disk, and cannot be resumed any more`,
    );
  }
  const { state, runsOn } = workspace.status();
  throw new DockError(
    'conflict',
    `this image of "${name}" was resumed already, or given up: it is ${state}${runsOn === undefined ? '' : ` on "${runsOn}"`} now, and its disk has gone on. There is no way back to the image`,
  );
}

/**
 * Opens the disk of a workspace that rests in its image, for this epoch. Throws `conflict` when the disk was written since
 * it was suspended, which is what restoring a backup or mounting it elsewhere does: old memory would destroy it.
 */
export async function openRestingDisk(
  workspace: Workspace,
  epoch: number,
  signal: AbortSignal,
): Promise<void> {
  const { name, record, paths } = workspace;
  const disk = await compareDisk(record.disk.path, paths.diskMark, workspace.epoch);
  if (disk === 'written') {
    throw new DockError(
      'conflict',
      `the disk of "${name}", ${record.disk.path}, was changed after it was suspended, and the memory in the image does not fit it any more. ` +
        `Put the disk back as it was; or give the image up, and what was in memory with it: wdock workspace force-owner ${name}`,
    );
  }
  await workspace.openDisk(signal);
  await workspace.markDisk(epoch);
}

/** Offers a workspace that rests here to a device that has its image. Returns the epoch of the offer. */
export async function offerImage(
  workspace: Workspace,
  image: string,
  deviceId: string,
  signal: AbortSignal,
): Promise<number> {
  const { handOver, name } = workspace;
  if (workspace.activity.kind !== 'idle') {
    throw new DockError('conflict', `"${name}" is busy at its home; try again when that is done`);
  }
  await requireImage(workspace, image);
  const epoch = handOver.nextEpoch;
  await openRestingDisk(workspace, epoch, signal);
  const answered = handOver.until(
    (event) => event.kind === 'offered' || event.kind === 'rejected',
    AbortSignal.any([signal, AbortSignal.timeout(offerLimitMs)]),
  );
  await handOver.input({ in: 'offer', peer: deviceId });
  const answer = await answered;
  if (answer.kind !== 'offered') {
    await workspace.restSuspended(signal);
    throw new DockError(
      'conflict',
      `"${name}" cannot be resumed now: ${'reason' in answer ? answer.reason : ''}`,
    );
  }
  return answer.epoch;
}

/** A journal entry, ms. */
const offerLimitMs = 15_000;
