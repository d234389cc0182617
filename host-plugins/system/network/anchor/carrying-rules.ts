import { addressKey } from '../ip-address.ts';
import { tableName } from '../nft-rules.ts';

/** Whose packets are taken off at the guest's tap, and where to. */
export interface CarryingRules {
  /** The tap of the VM. */
  readonly guestTap: string;
  /** The tap whose other end carries packets to the device of the anchor. */
  readonly anchorTap: string;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

/** Deletes the table whether it is there or not. */
export function buildCarryingRemoval(anchorTap: string): string {
  const table = tableName(anchorTap);
  return `add table netdev ${table}\ndelete table netdev ${table}\n`;
}

/**
 * The rules of the device that carries an anchored guest, as input for `nft -f -`. They work at the ingress of the two
 * taps, before bridge, routing and firewall: so they are the same in each mode of the network, the host needs no route
 * for the guest's old addresses, and neither it nor its LAN can be mistaken for a host of the guest's old LAN that has
 * the same address.
 *
 * What the guest sends from an anchored address goes to the anchor's tap. Its LAN sees nothing of such an address:
 * - announcements of it, and answers to whoever asks for it, are dropped;
 * - "who has my gateway?" asked in its name is asked as a probe (RFC 5227), which names no sender. A copy goes to the
 *   anchor's tap, from where it is answered if nobody else does (carrying-end.ts);
 * - over IPv6 such a question passes as it is: the answer goes to the hardware address, and nothing else of it is used.
 *
 * What the guest begins from there with an address of this host is not carried: it would come back from the LAN, past the
 * filter between guest and host. What is open already may be a connection to another computer of that address.
 *
 * What comes from the anchor's tap goes to the guest when it is for an anchored address, and nowhere else.
 */
export function buildCarryingRules({ guestTap, anchorTap, ipv4, ipv6 }: CarryingRules): string {
  const fromGuest: string[] = [];
  const toGuest = [`ether type arp fwd to "${guestTap}"`];
  if (ipv4.length > 0) {
    const set = `{ ${ipv4.join(', ')} }`;
    fromGuest.push(
      `arp operation != request arp saddr ip ${set} drop`,
      `arp saddr ip ${set} arp daddr ip ${set} drop`,
      `arp saddr ip ${set} dup to "${anchorTap}"`,
      `arp saddr ip ${set} arp saddr ip set 0.0.0.0`,
      ...leftToThisHost(`ip saddr ${set}`),
      `ip saddr ${set} fwd to "${anchorTap}"`,
    );
    toGuest.push(`ip daddr ${set} fwd to "${guestTap}"`);
  }
  if (ipv6.length > 0) {
    const set = `{ ${ipv6.join(', ')} }`;
    const discovery = 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }';
    fromGuest.push(
      // The target of a question or an answer, at the same place in both; nft before 1.0.8 has no name for it.
      ...ipv6.map((address) => `${discovery} @th,64,128 0x${addressKey(address) ?? ''} drop`),
      `ip6 saddr ${set} icmpv6 type nd-neighbor-solicit dup to "${anchorTap}"`,
      `ip6 saddr ${set} ${discovery} accept`,
      ...leftToThisHost(`ip6 saddr ${set}`),
      `ip6 saddr ${set} fwd to "${anchorTap}"`,
    );
    toGuest.push(`ip6 daddr ${set} fwd to "${guestTap}"`);
  }
  return [
    buildCarryingRemoval(anchorTap).trimEnd(),
    `table netdev ${tableName(anchorTap)} {`,
    ...chain('from_guest', guestTap, 'accept', fromGuest),
    ...chain('to_guest', anchorTap, 'drop', toGuest),
    '}',
    '',
  ].join('\n');
}

/** Goes on to the rules of the guest's tap, which let nothing through to this host but what its policy opens. */
function leftToThisHost(source: string): string[] {
  const toHost = `${source} fib daddr type local`;
  return [
    `${toHost} tcp flags & (syn | ack) == syn accept`,
    `${toHost} meta l4proto != { tcp, icmp, ipv6-icmp } accept`,
  ];
}

/** Before the rules of the guest's tap itself (nft-rules.ts), which are about what stays on this host. */
function chain(name: string, device: string, policy: 'accept' | 'drop', rules: readonly string[]): string[] {
  const head = `type filter hook ingress device "${device}" priority -160; policy ${policy};`;
  return [`  chain ${name} {`, ...[head, ...rules].map((line) => `    ${line}`), '  }'];
}
