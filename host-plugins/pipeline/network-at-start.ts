import type { Allocation } from '../../protocol/allocation.ts';
import type { LinkFacts } from '../../protocol/host-profile.ts';
import type { WorkspaceRecord } from '../../protocol/workspace.ts';
import { isInSubnet, withoutPrefix } from '../system/network/ip-address.ts';
import { recallAddresses } from './addresses-here.ts';

type Remembered = Pick<WorkspaceRecord, 'guestAddresses' | 'addressesHere'>;

/**
 * The addresses by which a guest that starts can be a host on the LAN behind this link, with prefix length: those that it
 * had here, or has from wherever it ran last, if that is this LAN. Empty where this is another LAN, or its first.
 */
export function addressesAtStart(link: LinkFacts, record: Remembered): readonly string[] {
  const recalled = recallAddresses(link, record.addressesHere);
  if (recalled.length > 0) return recalled;
  const gateway = record.addressesHere?.gatewayMac;
  const another = gateway !== undefined && link.gatewayMac !== undefined && gateway !== link.gatewayMac;
  const { guestAddresses } = record;
  const belongs = guestAddresses.some(
    (address) => !address.includes(':') && link.addresses.some((subnet) => isInSubnet(address, subnet)),
  );
  return belongs && !another ? guestAddresses : [];
}

export interface NetworkAtStart {
  readonly network: Allocation['network'];
  readonly guestAddresses: readonly string[];
  /** Why the guest is behind its host, where it was to be routed to. */
  readonly hidden: string | undefined;
}

/**
 * A host can route only to an address that it knows, and that nobody else has. A guest without one is behind its host, and
 * has a network at once. @param takers hardware address by address, without prefix length
 */
export function decideAtStart(
  network: Allocation['network'],
  addresses: readonly string[],
  takers: ReadonlyMap<string, string>,
): NetworkAtStart {
  const taken = addresses.map(withoutPrefix).find((address) => takers.has(address) && !address.includes(':'));
  const guestAddresses =
    taken === undefined ? addresses.filter((address) => !takers.has(withoutPrefix(address))) : [];
  if (network.mode !== 'routed' || guestAddresses.length > 0)
    return { network, guestAddresses, hidden: undefined };
  const hidden =
    taken === undefined
      ? 'the guest has no address on this network that the host could route to'
      : `another computer on this network has the address ${taken} of the guest now, with the hardware address ${takers.get(taken)}`;
  return { network: { ...network, mode: 'nat' }, guestAddresses, hidden };
}
