import { randomUUID } from 'node:crypto';
import { DockError } from '../../../protocol/dock-error.ts';
import { deviceState, type ManagedDevice, type NetworkManager } from '../network-manager/network-manager.ts';
import type { ManagedBridgeRecord } from './bridge-record.ts';
import { packUp, unpack } from './carry-over.ts';
import { readKernelState } from './kernel-state.ts';
import { bridgeProfile, portProfile } from './managed-profiles.ts';
import {
  activate,
  activateFormer,
  activeProfile,
  addProfile,
  closeCheckpoint,
  type NoteCheckpoint,
  openCheckpoint,
  readApplied,
  refusedOnly,
  removeProfiles,
  requireActive,
  root,
  untilActivated,
  untilConfigurable,
  untilProfile,
} from './managed-steps.ts';
import type { Reachability } from './reachability.ts';

/** What NetworkManager has of the interface now, for the record that is written before it is changed. */
export async function recordManagedLink(
  manager: NetworkManager,
  link: string,
  bridge: string,
  signal: AbortSignal,
): Promise<ManagedBridgeRecord> {
  const device = await requireActive(manager, link, signal);
  const { Uuid } = await manager.properties(device.active, 'Connection.Active', signal);
  return {
    by: 'network-manager',
    link,
    bridge,
    state: 'changing',
    former: String(Uuid),
    bridgeProfile: randomUUID(),
    portProfile: randomUUID(),
  };
}

/** Returns when the host can be reached through the bridge. */
export async function makeManagedBridge(
  manager: NetworkManager,
  record: ManagedBridgeRecord,
  reachability: Reachability,
  note: NoteCheckpoint,
  signal: AbortSignal,
): Promise<void> {
  const { link, bridge } = record;
  const device = await requireActive(manager, link, signal);
  const [state, applied] = await Promise.all([
    readKernelState(link, signal),
    readApplied(manager, device.path, signal),
  ]);
  if (state === undefined) throw new DockError('not-found', `there is no interface ${link}`);
  const { addresses, mac, mtu } = state;
  const checkpoint = await openCheckpoint(manager, [device.path], note, signal);
  const bridgePath = await addProfile(manager, bridgeProfile(applied, record, mac, mtu, addresses), signal);
  const portPath = await addProfile(manager, portProfile(applied, record, mac), signal);

  const packed = await packUp(state, link, bridge, signal);
  await activate(manager, bridgePath, '/', signal);
  await untilConfigurable(manager, bridge, signal);
  // The bridge has the addresses before the interface loses them: the host answers on.
  await unpack(packed, signal);
  await activate(manager, portPath, device.path, signal);
  await untilProfile(manager, device.path, record.portProfile, deviceState.activated, signal);
  await reachability.require(bridge, signal);
  await closeCheckpoint(manager, checkpoint, note, signal);
}

export async function removeManagedBridge(
  manager: NetworkManager,
  record: ManagedBridgeRecord,
  reachability: Reachability,
  note: NoteCheckpoint,
  signal: AbortSignal,
): Promise<void> {
  const { link, bridge } = record;
  const [device, bridgeDevice, state] = await Promise.all([
    manager.findDevice(link, signal),
    manager.findDevice(bridge, signal),
    readKernelState(bridge, signal),
  ]);
  if (device !== undefined && bridgeDevice !== undefined && state !== undefined) {
    const devices = [device.path, bridgeDevice.path];
    const checkpoint = await openCheckpoint(manager, devices, note, signal);
    const packed = await packUp(state, bridge, link, signal);
    await activateFormer(manager, record, device, signal);
    await untilProfile(manager, device.path, record.former, deviceState.ipConfig, signal);
    await unpack(packed, signal);
    await reachability.require(link, signal);
    await closeCheckpoint(manager, checkpoint, note, signal);
  }
  await removeProfiles(manager, record, signal);
}

/**
 * Brings the interface back to the profile that it had, from wherever a change was ended, also by a NetworkManager
 * that was started anew meanwhile. What is done already is no error.
 */
export async function repairManagedLink(
  manager: NetworkManager,
  record: ManagedBridgeRecord,
  signal: AbortSignal,
): Promise<void> {
  if (record.checkpoint !== undefined) {
    const body = [record.checkpoint];
    await manager.call(root, '', 'CheckpointRollback', 'o', body, signal).catch(refusedOnly);
  }
  const device = await manager.findDevice(record.link, signal);
  if (device !== undefined && (await lacksConnection(manager, record, device, signal))) {
    await activateFormer(manager, record, device, signal);
    await untilProfile(manager, device.path, record.former, deviceState.ipConfig, signal);
  }
  await removeProfiles(manager, record, signal);
  if (device !== undefined) await untilActivated(manager, device.path, signal);
}

/** The interface has no connection, or that of ours; a NetworkManager that was killed knows only that it is a port. */
async function lacksConnection(
  manager: NetworkManager,
  record: ManagedBridgeRecord,
  device: ManagedDevice,
  signal: AbortSignal,
): Promise<boolean> {
  const [uuid, state] = await Promise.all([
    activeProfile(manager, device, signal),
    readKernelState(record.link, signal),
  ]);
  return uuid === undefined || uuid === record.portProfile || state?.master === record.bridge;
}
