import { isIpv6, lanInterface, type NetworkBinding, tapPrefix } from './binding.ts';
import { localAccessChains, markRules, redirectedRule } from './local-access-rules.ts';

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
}

/**
 * The rules of one tap, as input for `nft -f -`, which applies all or nothing. At the ingress hook of the tap
 * every frame of the guest passes, whether it goes on to a bridge or to the host itself.
 *
 * - The guest reaches nothing of its own host that was not opened (local-access-rules.ts).
 * - Routed: frames for hardware addresses that the guest learned on the host before are taken as sent to this
 *   host, which routes them on. Without it they are dropped until the guest's ARP cache has aged.
 * - Routed: the guest sends from its own addresses only.
 * - The host passes the guest on to its LAN and nowhere else (no VPN, no other network), and nobody on the LAN
 *   gets further through this host than to its guests, unless it was a router already.
 */
export function buildRules(binding: NetworkBinding, settings: RuleSettings): string {
  const lan = lanInterface(binding);
  const ingress: string[] = [];
  const forward = [redirectedRule];
  const elsewhere = `oifname != "${lan}" oifname != "${tapPrefix}*" drop`;
  if (binding.mode === 'routed') {
    ingress.push(
      `ether type { ip, ip6 } meta pkttype other ether daddr set ${settings.tapMac} meta pkttype set host`,
    );
    const ipv6 = binding.guestAddresses.filter(isIpv6);
    // The kernel has no reverse path filter for IPv6.
    const others = ipv6.length === 0 ? '' : `ip6 saddr != { ${ipv6.join(', ')} } `;
    forward.push(`meta nfproto ipv6 iifname "${binding.tap}" ${others}drop`);
    forward.push(`iifname "${binding.tap}" ${elsewhere}`);
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
  const table = tableName(binding.tap);
  return [
    buildRemoval(binding.tap).trimEnd(),
    `table netdev ${table} {`,
    ...chain(
      'ingress',
      `type filter hook ingress device "${binding.tap}" priority -150; policy accept;`,
      ingress,
    ),
    '}',
    `table inet ${table} {`,
    ...localAccessChains(binding, settings.closedPorts).map((line) => `  ${line}`),
    ...chain('forward', 'type filter hook forward priority -10; policy accept;', forward),
    '}',
    '',
  ].join('\n');
}

function chain(name: string, head: string, rules: readonly string[]): string[] {
  return [`  chain ${name} {`, ...[head, ...rules].map((line) => `    ${line}`), '  }'];
}
