import type { Choice } from '../../policies/choose/choose.ts';
import type { Allocation } from '../../protocol/allocation.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import type { MachineContract } from '../../protocol/workspace.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import { exceeding, limitToOwner } from '../visit/judge-allowance.ts';
import { type ChooserSettings, chooseHere, type PolicyText, readPolicyText } from './choose.ts';
import type { Workspaces } from './workspaces.ts';

/** A workspace that another device brings, or asks about. */
export interface PeerWish {
  readonly workspace: string;
  readonly contract: MachineContract;
  readonly policy?: PolicyText | undefined;
  readonly keepNothing?: true | undefined;
}

export interface PeerChooserParts {
  readonly chooser: ChooserSettings;
  readonly workspaces: Pick<Workspaces, 'find'>;
  readonly trust: Pick<TrustStore, 'byId'>;
}

/**
 * What this device gives the workspace that a device brings. One whose home is here has its own policy, whatever the
 * other device says that it is. One of a device that is not the user's own gets no more than this device's policy gives.
 */
export async function chooseForPeer(
  { chooser, workspaces, trust }: PeerChooserParts,
  deviceId: string,
  wish: PeerWish,
  signal: AbortSignal,
): Promise<Choice & { profile: HostProfile }> {
  const known = workspaces.find(wish.workspace);
  if (known?.isHome === true) {
    const { contract, policy } = known.record;
    return await chooseHere(chooser, contract, await readPolicyText(policy), signal);
  }
  const situation = wish.keepNothing === true ? ({ trust: 'untrusted' } as const) : {};
  const wished = await chooseHere(chooser, wish.contract, wish.policy, signal, situation);
  if (wish.policy === undefined || trust.byId(deviceId)?.trust === 'owned') return wished;
  const own = await chooseHere(chooser, wish.contract, undefined, signal, situation);
  return { ...limitToOwner(own, wished), profile: wished.profile };
}

/**
 * Throws `peer-refused` where the device names more than it was given, and for what a kiosk may not do: bring a VM to who
 * does not trust it, other than that one's own.
 */
export async function requireAllowed(
  parts: PeerChooserParts,
  deviceId: string,
  wish: PeerWish & { readonly allocation: Allocation },
  signal: AbortSignal,
): Promise<void> {
  const level = parts.trust.byId(deviceId)?.trust;
  const isHome = parts.workspaces.find(wish.workspace)?.isHome === true;
  if (level === 'kiosk' && !isHome) {
    throw new DockError(
      'peer-refused',
      'your device is trusted as a kiosk here: it may bring back what is at home here, and nothing else',
    );
  }
  if (level === 'owned') return;
  const more = exceeding(wish.allocation, (await chooseForPeer(parts, deviceId, wish, signal)).allocation);
  if (more.length === 0) return;
  throw new DockError(
    'peer-refused',
    `the workspace "${wish.workspace}" asks for more than this device gives it now: ${more.join(', ')}; try again`,
    { detail: { more } },
  );
}
