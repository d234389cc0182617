import { type IpAddress, linkLocalOf, networkOfIPv6 } from './ip-address.ts';

/** How IPv6 goes behind a host that routes, where no neighbour of the LAN can be found. */
export interface WayThroughHost {
  readonly gateway: string;
  /** Networks of the link that are reached through the gateway, too. */
  readonly routed: readonly IpAddress[];
}

/**
 * Everything goes to the host: its end of the tap has the link-local address of its hardware address. Undefined where that
 * is not known.
 */
export function wayThroughHost(
  hostMac: string | undefined,
  addresses: readonly IpAddress[],
): WayThroughHost | undefined {
  const gateway = hostMac === undefined ? undefined : linkLocalOf(hostMac);
  return gateway === undefined ? undefined : { gateway, routed: networksOf(addresses) };
}

/** The networks that these IPv6 addresses have on their link, each once. */
export function networksOf(addresses: readonly IpAddress[]): IpAddress[] {
  const networks = new Map<string, IpAddress>();
  for (const one of addresses) {
    const network = one.prefix < 128 ? networkOfIPv6(one) : undefined;
    if (network !== undefined)
      networks.set(`${network}/${one.prefix}`, { address: network, prefix: one.prefix });
  }
  return [...networks.values()];
}
