import type { LinkFacts } from '../../protocol/host-profile.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import type { WorkspaceRecord } from '../../protocol/workspace.ts';
import { isInSubnet, withoutPrefix } from '../system/network/ip-address.ts';

type AddressesHere = NonNullable<WorkspaceRecord['addressesHere']>;

/**
 * What to remember of a guest that was read on this host: its addresses of the LAN behind this link. Undefined where it
 * has none, as behind a NAT, and where this LAN could not be told from another one.
 */
export function rememberAddresses(
  link: LinkFacts | undefined,
  guestAddresses: readonly string[],
): AddressesHere | undefined {
  if (link?.gatewayMac === undefined) return undefined;
  const addresses = guestAddresses.filter((address) =>
    link.addresses.some((subnet) => isInSubnet(address, subnet)),
  );
  return addresses.length === 0 ? undefined : { gatewayMac: link.gatewayMac, addresses };
}

/** What the guest had on this very LAN when it was here last, with prefix length; empty on any other. */
export function recallAddresses(
  link: LinkFacts | undefined,
  remembered: AddressesHere | undefined,
): readonly string[] {
  if (remembered === undefined || link?.gatewayMac === undefined) return [];
  return link.gatewayMac === remembered.gatewayMac ? remembered.addresses : [];
}

/**
 * What of the recalled addresses the guest may have again: none that another computer answers for, which would lose its
 * connections to the guest. Without its IPv4 address it is no host of this LAN any more, and gets none of them.
 * @param takers hardware address by address, without prefix length
 */
export function leaveToTakers(
  recalled: readonly string[],
  takers: ReadonlyMap<string, string>,
): { addresses: readonly string[]; shortfalls: Shortfall[] } {
  const isTaken = (address: string) => takers.has(withoutPrefix(address));
  const lost = recalled.filter(isTaken);
  const moves = lost.some((address) => !address.includes(':'));
  return {
    addresses: moves ? [] : recalled.filter((address) => !isTaken(address)),
    shortfalls: lost.map(withoutPrefix).map((address) => ({
      resource: 'network',
      requested: `the guest at ${address} again, as when it was here before`,
      actual: moves ? 'it is asked for another address, or behind its host' : 'without that address',
      reason: `another computer on this network has it now, with the hardware address ${takers.get(address)}`,
    })),
  };
}
