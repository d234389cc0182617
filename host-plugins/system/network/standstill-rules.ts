import { isIpv6 } from './binding.ts';
import { tableName } from './nft-rules.ts';

interface StandstillRules {
  readonly tap: string;
  /** Interfaces on which frames for the guest come in. */
  readonly devices: readonly string[];
  readonly guestAddresses: readonly string[];
  /** After which the kernel forgets it by itself. */
  readonly forMs: number;
  /** The host's interface to the LAN, where the guest will be found there; undefined where it goes elsewhere. */
  readonly sendOnBy: string | undefined;
}

/**
 * What becomes of packets for a guest whose VM stands still, as input for `nft -f -`.
 *
 * Where it stays on its LAN they wait for it, and are sent on (`sendOnBy`): `fwd` hands them to the host's neighbour
 * table, which has no entry for the guest and so asks the LAN. The kernel keeps them meanwhile (arp(7),
 * `unres_qlen_bytes`; the newest, for three seconds each time it asks), until the guest answers or is announced at its new place.
 * Not so messages of neighbour discovery: they count only on the link itself (RFC 4861, 6.1 and 7.1: hop limit 255).
 *
 * Where it does not, its addresses cannot be reached, and senders are told. One that gets this for a segment that
 * it sent again does not double its wait (RFC 6069; Linux does it), and an open connection takes it for what it is, a
 * trouble on the way (RFC 1122, 4.2.3.9). So the first segment that can get through comes soon after the VM runs, and
 * not when a wait has passed that may be as long as the standstill. Segments with SYN get no answer: the program
 * that waits for the connection would be told that it failed.
 *
 * - At the ingress hook and not where the host routes: it is the same behind a bridge, and the kernel does not limit
 *   how often it answers there; elsewhere what was on its way when the VM stopped uses the six answers up that one
 *   sender gets at a time (icmp_ratelimit).
 * - Into the tap's own table, which has to be there: it goes with the path, and never comes after it has gone.
 */
export function buildStandstill(rules: StandstillRules): string {
  const { tap, devices, guestAddresses, forMs, sendOnBy } = rules;
  const elements = (addresses: readonly string[]) =>
    addresses.length === 0
      ? ''
      : ` elements = { ${addresses.map((each) => `${each} timeout ${forMs}ms`).join(', ')} };`;
  const ipv4 = guestAddresses.filter((address) => !isIpv6(address));
  const ipv6 = guestAddresses.filter(isIpv6);
  const named = devices.map((device) => `"${device}"`).join(', ');
  const lines = [
    `table netdev ${tableName(tap)} {`,
    `  set standing4 { type ipv4_addr; flags timeout;${elements(ipv4)} }`,
    `  set standing6 { type ipv6_addr; flags timeout;${elements(ipv6)} }`,
    '  chain standstill {',
    `    type filter hook ingress devices = { ${named} } priority 0; policy accept;`,
    ...(sendOnBy === undefined ? unreachable : sentOn(sendOnBy)).map((rule) => `    ${rule}`),
    '  }',
    '}',
    '',
  ];
  return buildStandstillEnd(tap) + lines.join('\n');
}

const unreachable = [
  'ip daddr @standing4 tcp flags & syn == 0 reject with icmp type host-unreachable',
  'ip6 daddr @standing6 tcp flags & syn == 0 reject with icmpv6 type no-route',
];

function sentOn(device: string): string[] {
  return [
    `ip daddr @standing4 fwd ip to ip daddr device "${device}"`,
    'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect } accept',
    `ip6 daddr @standing6 fwd ip6 to ip6 daddr device "${device}"`,
  ];
}

/** Takes it away whether it is there or not; refused by nft where the tap has no table. */
export function buildStandstillEnd(tap: string): string {
  const table = `netdev ${tableName(tap)}`;
  const away = (set: string, type: string) =>
    `add set ${table} ${set} { type ${type}; flags timeout; }\ndelete set ${table} ${set}\n`;
  return (
    `add chain ${table} standstill\nflush chain ${table} standstill\ndelete chain ${table} standstill\n` +
    away('standing4', 'ipv4_addr') +
    away('standing6', 'ipv6_addr')
  );
}
