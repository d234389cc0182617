import type { LinkFacts } from '../../protocol/host-profile.ts';
import type { WorkspaceRecord } from '../../protocol/workspace.ts';
import { isInSubnet } from '../system/network/ip-address.ts';

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
