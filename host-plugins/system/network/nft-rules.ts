import { isForwarded, isIpv6, lanInterface, type NetworkBinding, tapPrefix } from './binding.ts';
import {
  localAccessChains,
  markRules,
  redirectedRule,
  servedBehind,
  servedDhcp,
} from './local-access-rules.ts';
import { type NatNetwork, natGuestAddress } from './nat-network.ts';
import { passingChains } from './port-rules.ts';

/** nft(8) reads names of letters, digits and underscores unquoted; taps have hyphens. */
export function tableName(tap: string): string {
  return `wdock_${tap.replace(/[^A-Za-z0-9]/g, '_')}`;
}

/** Deletes the tables whether they are there or not. */
export function buildRemoval(tap: string): string {
  const table = tableName(tap);
  return ['netdev', 'inet']
    .map((family) => `add table ${family} ${table}\ndelete table ${family} ${table}\n`)
    .join('');
}

export interface RuleSettings {
  readonly tapMac: string;
  /** TCP ports of the host that no policy opens. */
  readonly closedPorts: readonly number[];
  /** What this host did not forward before, and so forwards for our guests only. */
  readonly forwardsForUsOnly: { readonly ipv4: boolean; readonly ipv6: boolean };
  /** This host passes the guest's DHCP messages on. */
  readonly relays?: boolean;
  /** Of a binding behind NAT. */
  readonly nat?: NatNetwork | undefined;
  /** Networks of the LAN, with prefix length, which a guest that reaches the Internet only does not reach. */
  readonly lanNetworks?: readonly string[];
}

/**
 * The rules of one tap, as input for `nft -f -`, which applies all or nothing. At the ingress hook of the tap
 * every frame of the guest passes, whether it goes on to a bridge or to the host itself.
 *
 * - The guest reaches nothing of its own host that was not opened (local-access-rules.ts).
 * - Routed: frames for hardware addresses that the guest learned on the host before are taken as sent to this
 *   host, which routes them on. Without it they are dropped until the guest's ARP cache has aged.
 * - Routed: the guest sends from its own addresses only.
 * - Beside: all goes to the guest's own port on the link, and from there (port-rules.ts).
 * - Behind NAT the guest is seen as this host, and reached from outside at forwarded ports only.
 * - The host passes the guest on to its LAN and nowhere else (no VPN, no other network), and nobody on the LAN
 *   gets further through this host than to its guests, unless it was a router already.
 */
export function buildRules(binding: NetworkBinding, settings: RuleSettings): string {
  const lan = lanInterface(binding);
  const ingress: string[] = [];
  const forward = [redirectedRule];
  const elsewhere = `oifname != "${lan}" oifname != "${tapPrefix}*" drop`;
  if (binding.mode === 'nat' && binding.reach === 'internet') {
    forward.push(...internetOnly(binding.tap, lan, settings.lanNetworks ?? []));
  }
  if (isForwarded(binding)) {
    ingress.push(
      `ether type { ip, ip6 } meta pkttype other ether daddr set ${settings.tapMac} meta pkttype set host`,
    );
    const own = settings.nat?.ipv6 === undefined ? [] : [`${settings.nat.ipv6}/64`];
    const ipv6 = binding.mode === 'routed' ? binding.guestAddresses.filter(isIpv6) : own;
    // The kernel has no reverse path filter for IPv6.
    const others = ipv6.length === 0 ? '' : `ip6 saddr != { ${ipv6.join(', ')} } `;
    forward.push(`meta nfproto ipv6 iifname "${binding.tap}" ${others}drop`);
    forward.push(`iifname "${binding.tap}" ${elsewhere}`);
  }
  if (binding.mode === 'beside') {
    forward.push(`meta nfproto ipv6 iifname "${binding.tap}" drop`, `iifname "${binding.tap}" ${elsewhere}`);
  }
  const translation =
    binding.mode === 'nat' && settings.nat ? translate(binding, settings.nat, settings.closedPorts) : [];
  if (binding.mode === 'nat') {
    forward.push(`oifname "${binding.tap}" ct state established,related accept`);
    forward.push(`oifname "${binding.tap}" ct status dnat accept`);
    forward.push(`oifname "${binding.tap}" drop`);
  }
  ingress.push(...markRules);
  const { ipv4, ipv6 } = settings.forwardsForUsOnly;
  if (ipv4) forward.push(`meta nfproto ipv4 iifname "${lan}" ${elsewhere}`);
  if (ipv6) {
    forward.push(`meta nfproto ipv6 iifname "${lan}" ${elsewhere}`);
    // IPv6 is forwarded on all interfaces or on none, so others have begun to forward as well.
    forward.push(
      `meta nfproto ipv6 iifname != "${lan}" iifname != "${tapPrefix}*" oifname != "${tapPrefix}*" drop`,
    );
  }
  const relayed = settings.relays === true ? servedDhcp : [];
  const served = settings.nat === undefined ? relayed : servedBehind(settings.nat);
  const table = tableName(binding.tap);
  const passing = binding.mode === 'beside' ? passingChains(binding.tap, settings.tapMac) : [];
  return [
    buildRemoval(binding.tap).trimEnd(),
    `table netdev ${table} {`,
    ...chain(
      'ingress',
      `type filter hook ingress device "${binding.tap}" priority -150; policy accept;`,
      ingress,
    ),
    ...passing.flatMap(({ name, head, rules }) => chain(name, head, rules)),
    '}',
    `table inet ${table} {`,
    ...localAccessChains(binding, settings.closedPorts, served).map((line) => `  ${line}`),
    ...translation,
    ...chain('forward', 'type filter hook forward priority -10; policy accept;', forward),
    '}',
    '',
  ].join('\n');
}

/**
 * Who asked from outside by a forwarded port is answered. Besides the networks of the LAN all addresses are closed that a
 * router of the LAN may have behind it and that are nobody's on the Internet (RFC 6890); of IPv6 all but global unicast.
 */
function internetOnly(tap: string, lan: string, lanNetworks: readonly string[]): string[] {
  const family = (network: string) => (isIpv6(network) ? 'ip6' : 'ip');
  return [
    `iifname "${tap}" ct state established,related accept`,
    `iifname "${tap}" oifname != "${lan}" drop`,
    `iifname "${tap}" ip daddr { ${notOnTheInternet.join(', ')} } drop`,
    `iifname "${tap}" ip6 daddr != 2000::/3 drop`,
    ...lanNetworks.map((network) => `iifname "${tap}" ${family(network)} daddr ${network} drop`),
  ];
}

const notOnTheInternet = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
] as const;

function translate(
  binding: NetworkBinding & { mode: 'nat' },
  nat: NatNetwork,
  closedPorts: readonly number[],
): string[] {
  const { uplink, forward = [] } = binding;
  const ports = forward.flatMap((each) => {
    const [, protocol, host, guest = host] = /^(\w+)\/(\d+)(?::(\d+))?$/.exec(each) ?? [];
    // Another device that calls wdockd must not get the guest instead.
    if (protocol === 'tcp' && closedPorts.includes(Number(host))) return [];
    return `iifname "${uplink}" fib daddr type local ${protocol} dport ${host} dnat ip to ${natGuestAddress(nat)}:${guest}`;
  });
  const hidden = [`ip saddr ${nat.ipv4}.0/24 oifname "${uplink}" masquerade`];
  if (nat.ipv6 !== undefined) hidden.push(`ip6 saddr ${nat.ipv6}/64 oifname "${uplink}" masquerade`);
  return [
    ...chain('inbound', 'type nat hook prerouting priority -100; policy accept;', ports),
    ...chain('outbound', 'type nat hook postrouting priority 100; policy accept;', hidden),
  ];
}

function chain(name: string, head: string, rules: readonly string[]): string[] {
  return [`  chain ${name} {`, ...[head, ...rules].map((line) => `    ${line}`), '  }'];
}
