/**
 * Where packets go while the LAN has named no gateway and an address of another LAN is kept: to the host, which takes
 * them off the tap by their source address, whatever their next hop is. Nobody has these addresses; the neighbour
 * table says that they are the host's end of the tap.
 */
export const wayOut = { ipv4: '169.254.77.1', ipv6: 'fe80::77:1' } as const;

/** More than any that NetworkManager gives a route by itself: the LAN's own gateway is better. */
export const wayOutMetric = 30_000;

export function isWayOut(gateway: string): boolean {
  return gateway === wayOut.ipv4 || gateway === wayOut.ipv6;
}
