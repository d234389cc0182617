import { DockError } from '../../../protocol/dock-error.ts';
import { dbusErrorName } from '../dbus/dbus-value.ts';
import { unlessGone } from '../network/ip-command.ts';
import {
  type ConnectionSettings,
  deviceState,
  type ManagedDevice,
  type NetworkManager,
} from '../network-manager/network-manager.ts';
import type { ManagedBridgeRecord } from './bridge-record.ts';

/** Single steps of NetworkManager, of which making and removing a bridge are composed. Errors as in NetworkManager. */

export const root = '/org/freedesktop/NetworkManager';
const settingsPath = `${root}/Settings`;
/** After so many seconds NetworkManager puts back by itself what was not confirmed; also when this process is gone. */
const rollbackAfterS = 20;
/** NM_CHECKPOINT_CREATE_FLAG_DELETE_NEW_CONNECTIONS: a rollback deletes our profiles, and with them the bridge. */
const checkpointFlags = 0x02;

/** NM_SETTINGS_ADD_CONNECTION2_FLAG_IN_MEMORY, …_BLOCK_AUTOCONNECT: gone after a reboot; up only when told. */
const profileFlags = 0x02 | 0x20;

/** Tells NetworkManager's checkpoint as soon as there is one; it has to be ended, or it puts everything back. */
export type NoteCheckpoint = (path: string | undefined) => Promise<void>;

export async function requireActive(
  manager: NetworkManager,
  link: string,
  signal: AbortSignal,
): Promise<ManagedDevice & { active: string }> {
  const device = await manager.findDevice(link, signal);
  if (device?.active === undefined || device.state !== deviceState.activated) {
    throw new DockError('conflict', `NetworkManager has no active connection on ${link}`);
  }
  return { ...device, active: device.active };
}

export async function activeProfile(
  manager: NetworkManager,
  device: ManagedDevice,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (device.active === undefined) return undefined;
  return String((await manager.properties(device.active, 'Connection.Active', signal))['Uuid']);
}

export async function readApplied(
  manager: NetworkManager,
  path: string,
  signal: AbortSignal,
): Promise<ConnectionSettings> {
  const [settings] = await manager.call(path, 'Device', 'GetAppliedConnection', 'u', [0], signal);
  return settings as ConnectionSettings;
}

/** In memory only; resolves with its object. */
export async function addProfile(
  manager: NetworkManager,
  profile: ConnectionSettings,
  signal: AbortSignal,
): Promise<string> {
  const body = [profile, profileFlags, {}];
  const signature = 'a{sa{sv}}ua{sv}';
  const [path] = await manager.call(settingsPath, 'Settings', 'AddConnection2', signature, body, signal);
  return String(path);
}

export async function activate(
  manager: NetworkManager,
  profile: string,
  device: string,
  signal: AbortSignal,
): Promise<void> {
  await manager.call(root, '', 'ActivateConnection', 'ooo', [profile, device, '/'], signal);
}

export async function activateFormer(
  manager: NetworkManager,
  record: ManagedBridgeRecord,
  device: ManagedDevice,
  signal: AbortSignal,
): Promise<void> {
  const profile = await findProfile(manager, record.former, signal);
  // Deleted by its user meanwhile: NetworkManager takes the best one that it has.
  await activate(manager, profile ?? '/', device.path, signal);
}

/** A bridge without a port waits before it takes addresses. */
export async function untilConfigurable(
  manager: NetworkManager,
  bridge: string,
  signal: AbortSignal,
): Promise<ManagedDevice> {
  return await manager.until(async () => {
    const device = await manager.findDevice(bridge, signal);
    return device === undefined ? undefined : reached(device, deviceState.ipConfig);
  }, signal);
}

/** The device has this profile, and has come so far with it. */
export async function untilProfile(
  manager: NetworkManager,
  path: string,
  uuid: string,
  state: number,
  signal: AbortSignal,
): Promise<void> {
  await manager.until(async () => {
    const device = reached(await manager.readDevice(path, signal), state);
    return device !== undefined && (await activeProfile(manager, device, signal)) === uuid ? true : undefined;
  }, signal);
}

export async function untilActivated(
  manager: NetworkManager,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  await manager.until(
    async () => reached(await manager.readDevice(path, signal), deviceState.activated),
    signal,
  );
}

function reached(device: ManagedDevice, state: number): ManagedDevice | undefined {
  if (device.state === deviceState.failed) {
    throw new DockError('io', `NetworkManager could not activate ${device.name}; its log says why`);
  }
  return device.state >= state && device.state <= deviceState.activated ? device : undefined;
}

/** With the profiles goes the bridge; one that NetworkManager takes for somebody else's is removed from the kernel. */
export async function removeProfiles(
  manager: NetworkManager,
  record: ManagedBridgeRecord,
  signal: AbortSignal,
): Promise<void> {
  for (const uuid of [record.portProfile, record.bridgeProfile]) {
    const path = await findProfile(manager, uuid, signal);
    if (path !== undefined) {
      await manager.call(path, 'Settings.Connection', 'Delete', '', [], signal).catch(refusedOnly);
    }
  }
  await unlessGone(['ip', 'link', 'delete', 'dev', record.bridge], signal);
}

async function findProfile(
  manager: NetworkManager,
  uuid: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const [path] = await manager.call(settingsPath, 'Settings', 'GetConnectionByUuid', 's', [uuid], signal);
    return String(path);
  } catch (error) {
    refusedOnly(error);
    return undefined;
  }
}

export async function openCheckpoint(
  manager: NetworkManager,
  devices: readonly string[],
  note: NoteCheckpoint,
  signal: AbortSignal,
): Promise<string> {
  const body = [devices, rollbackAfterS, checkpointFlags];
  const [path] = await manager.call(root, '', 'CheckpointCreate', 'aouu', body, signal);
  await note(String(path));
  return String(path);
}

export async function closeCheckpoint(
  manager: NetworkManager,
  checkpoint: string,
  note: NoteCheckpoint,
  signal: AbortSignal,
): Promise<void> {
  await manager.call(root, '', 'CheckpointDestroy', 'o', [checkpoint], signal);
  await note(undefined);
}

/** NetworkManager's "no such thing" is as good as done; that it is gone is not. */
export function refusedOnly(error: unknown): void {
  if (dbusErrorName(error) === undefined || DockError.from(error).kind === 'missing-dependency') throw error;
}
