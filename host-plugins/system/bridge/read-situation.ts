import { readFile, readlink } from 'node:fs/promises';
import { deviceState, type ManagedDevice, type NetworkManager } from '../network-manager/network-manager.ts';
import type { LinkSituation } from './judge-link.ts';
import { readKernelState } from './kernel-state.ts';
import { connectionText } from './managed-profiles.ts';
import { readApplied } from './managed-steps.ts';

/** NM_ACTIVATION_STATE_FLAG_EXTERNAL */
const externalFlag = 0x80;

/** Undefined for an interface that is not there. `device`: NetworkManager's, where one runs and knows it. */
export async function readSituation(
  link: string,
  manager: NetworkManager | undefined,
  device: ManagedDevice | undefined,
  signal: AbortSignal,
): Promise<LinkSituation | undefined> {
  const state = await readKernelState(link, signal);
  if (state === undefined) return undefined;
  const connection =
    manager !== undefined && device?.managed === true
      ? await readConnection(manager, device, signal)
      : undefined;
  return {
    name: link,
    index: state.index,
    leased: state.addresses
      .filter(({ ipv6, validS }) => !ipv6 && validS !== undefined)
      .map(({ address, prefix }) => `${address}/${prefix}`),
    connection,
    otherManager: connection === undefined ? await readOtherManager(state.index) : undefined,
  };
}

/** Undefined for what NetworkManager only looks at: it was configured by somebody else. */
async function readConnection(
  manager: NetworkManager,
  { path, active, state }: ManagedDevice,
  signal: AbortSignal,
): Promise<LinkSituation['connection']> {
  if (active === undefined || state !== deviceState.activated) return 'none';
  const { StateFlags } = await manager.properties(active, 'Connection.Active', signal);
  if ((Number(StateFlags) & externalFlag) !== 0) return undefined;
  const settings = await readApplied(manager, path, signal);
  return {
    type: connectionText(settings, 'connection', 'type') ?? 'unknown',
    needsLogin: settings['802-1x'] !== undefined,
  };
}

/** systemd-networkd notes by index what it is in charge of, in the network namespace of the first process. */
async function readOtherManager(index: number): Promise<string | undefined> {
  try {
    const [ours, first, state] = await Promise.all([
      readlink('/proc/self/ns/net'),
      readlink('/proc/1/ns/net'),
      readFile(`/run/systemd/netif/links/${index}`, 'utf8'),
    ]);
    const administrative = /^ADMIN_STATE=(.*)$/m.exec(state)?.[1];
    return ours === first && administrative !== 'unmanaged' && administrative !== undefined
      ? 'systemd-networkd'
      : undefined;
  } catch {
    return undefined;
  }
}
