import type { NetworkMode } from '../../protocol/allocation.ts';

/** What the host said when it re-bound the guest's network. */
export interface ToldNetwork {
  readonly mode: NetworkMode;
  /** Hardware address of the host's end of the tap. */
  readonly hostMac?: string | undefined;
}

/**
 * How the guest is attached, from what it sees itself: a gateway that answers with the hardware address of the
 * host's end of the tap is the host routing (or answering for others by proxy ARP); any other address came over a
 * bridge. Routing and address translation look the same from here, so between those two the host's word counts.
 */
export function decideNetworkMode(
  gatewayMac: string | undefined,
  told: ToldNetwork | undefined,
): { mode: NetworkMode } | { unknownBecause: string } {
  if (told === undefined) return { unknownBecause: 'no host has said yet how it attaches the network' };
  if (told.hostMac === undefined)
    return { unknownBecause: 'the host did not say the hardware address of its tap' };
  if (gatewayMac === undefined)
    return { unknownBecause: 'no gateway answers, so nothing tells bridged from routed' };
  if (gatewayMac.toLowerCase() !== told.hostMac.toLowerCase()) return { mode: 'bridged' };
  return { mode: told.mode === 'nat' ? 'nat' : 'routed' };
}
