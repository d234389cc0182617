import type { NetworkMode } from '../../protocol/allocation.ts';

/** What the interface has at this moment, as NetworkManager's Ip4Config says it. */
export interface PresentIp4 {
  readonly addresses: readonly { readonly address: string; readonly prefix: number }[];
  readonly gateway: string | undefined;
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
}

/** What to change in the connection that is in use. */
export interface NetworkChange {
  /** NMMetered of `connection.metered`: 1 yes, 2 no. */
  readonly metered: 1 | 2;
  /**
   * `saved`: IPv4 as the user's profile says. `kept`: as it is now, as a fixed configuration: behind a host that
   * routes, broadcasts do not reach the LAN, so a DHCP lease could not be renewed and the address would be lost
   * with it. With the profile's own fixed address the two are the same.
   */
  readonly ip4: { readonly kind: 'saved' } | { readonly kind: 'kept'; readonly present: PresentIp4 };
}

export function chooseNetworkSettings(
  mode: NetworkMode,
  metered: boolean,
  present: PresentIp4 | undefined,
): NetworkChange {
  const keep = mode !== 'bridged' && present !== undefined && present.addresses.length > 0;
  return { metered: metered ? 1 : 2, ip4: keep ? { kind: 'kept', present } : { kind: 'saved' } };
}
