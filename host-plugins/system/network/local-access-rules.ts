import type { NetworkBinding } from './binding.ts';
import type { NatNetwork } from './nat-network.ts';

/**
 * Marks what a guest sends to its host (skb mark), from the ingress of its tap to the firewall of the host. A frame that
 * came through a bridge has the bridge as its interface there, and nothing else tells it from one of the LAN. Bits
 * that neither Kubernetes nor Tailscale, WireGuard or Cilium look at.
 */
const fromGuest = '0x1d0c0000';

/**
 * To be put at the ingress of the tap: what is for this host, for all hosts, or for those that listen to a group. What of
 * it a bridge passes on to the LAN carries the mark, and nothing looks at it. The kernel knows no link-local IPv6 address
 * for a local one where a frame came in by another interface, so all of them are marked.
 */
export const markRules: readonly string[] = [
  'meta pkttype { broadcast, multicast }',
  'ip daddr 224.0.0.0/4',
  'ip6 daddr { fe80::/10, ff00::/8 }',
  'fib daddr type { local, broadcast, anycast }',
].map((which) => `${which} meta mark set ${fromGuest}`);

/**
 * The host is closed to its guest, as if every one of its services listened elsewhere only: whoever owns the guest does
 * not own the device. Open are echo requests, neighbour discovery, answers to what the host asked the guest,
 * and the ports of the policy. Of what a bridged guest sends to all, the LAN gets its copy and the host does not.
 */
export function localAccessChains(
  binding: NetworkBinding,
  closedPorts: readonly number[],
  served: readonly string[],
): string[] {
  const rules = [
    // First: what nobody may open, nor keep open.
    ...(closedPorts.length === 0 ? [] : [`tcp dport { ${closedPorts.join(', ')} } drop`]),
    'ct state established,related accept',
    'icmp type echo-request accept',
    'icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert } accept',
    ...served.map((what) => `${what} accept`),
    ...(binding.mode === 'beside' ? [] : (binding.open ?? [])).map(
      (port) => `${port.replace('/', ' dport ')} accept`,
    ),
    'drop',
  ];
  const mine = binding.mode === 'bridged' ? [] : [`iifname "${binding.tap}" jump guest`];
  return [
    'chain guest {',
    ...indent(rules),
    '}',
    'chain input {',
    ...indent([
      'type filter hook input priority -10; policy accept;',
      `meta mark ${fromGuest} jump guest`,
      ...mine,
    ]),
    '}',
  ];
}

/** What was for this host and got another destination: a port that is published for a container, say. */
export const redirectedRule = `meta mark ${fromGuest} ct status dnat drop`;

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

/** What the host itself serves to a guest whose DHCP it passes on. */
export const servedDhcp: readonly string[] = ['ip daddr 255.255.255.255 udp dport 67'];

/** What the host serves to a guest behind it: at its own address there, so that no other server of the host is meant. */
export function servedBehind({ ipv4, ipv6 }: NatNetwork): string[] {
  const names = 'meta l4proto { tcp, udp } th dport 53';
  return [
    ...servedDhcp,
    `ip daddr ${ipv4}.1 udp dport 67`,
    `ip daddr ${ipv4}.1 ${names}`,
    ...(ipv6 === undefined ? [] : [`ip6 daddr ${ipv6}1 ${names}`, 'icmpv6 type nd-router-solicit']),
  ];
}
