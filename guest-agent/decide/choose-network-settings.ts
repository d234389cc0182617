import type { NetworkMode } from '../../protocol/allocation.ts';

/** What the interface has at this moment, as NetworkManager's Ip4Config says it. */
export interface PresentIp4 {
  readonly addresses: readonly { readonly address: string; readonly prefix: number }[];
  readonly gateway: string | undefined;
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
}

/**
 * What to change in the connection that is in use; the user's saved profile is never changed.
 *
 * - `saved`: IPv4 as the profile says.
 * - `kept`: as it is now, as a fixed configuration. Behind a host that routes, broadcasts do not reach the LAN: a
 *   DHCP lease could not be renewed, and when it ran out the address would be lost, and every connection with it.
 * - `renewed`: as the profile says, and the present address beside it until DHCP has given one. Going from `kept`
 *   straight to `saved` would take the address away for as long as DHCP takes to answer.
 */
export interface NetworkChange {
  /** NMMetered of `connection.metered`: 1 yes, 2 no. */
  readonly metered: 1 | 2;
  readonly ip4:
    | { readonly kind: 'saved' }
    | { readonly kind: 'kept' | 'renewed'; readonly present: PresentIp4 };
}

export interface NetworkSituation {
  /** undefined while the device has no IPv4 configuration. */
  readonly present: PresentIp4 | undefined;
  /** `ipv4.method` of the saved profile. */
  readonly savedMethod: string;
  /** A DHCP client holds a lease on the device. */
  readonly hasLease: boolean;
}

export function chooseNetworkSettings(
  mode: NetworkMode,
  metered: boolean,
  { present, savedMethod, hasLease }: NetworkSituation,
): NetworkChange {
  const change = (ip4: NetworkChange['ip4']): NetworkChange => ({ metered: metered ? 1 : 2, ip4 });
  if (present === undefined || present.addresses.length === 0 || savedMethod !== 'auto')
    return change({ kind: 'saved' });
  if (mode !== 'bridged') return change({ kind: 'kept', present });
  return change(hasLease ? { kind: 'saved' } : { kind: 'renewed', present });
}
