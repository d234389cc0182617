import type { NetworkBinding } from './binding.ts';

/** nft(8) reads names of letters, digits and underscores unquoted; taps have hyphens. */
export function tableName(tap: string): string {
  return `wdock_${tap.replace(/[^A-Za-z0-9]/g, '_')}`;
}

/** Deletes the table whether it is there or not. */
export function buildRemoval(tap: string): string {
  const table = tableName(tap);
  return `add table netdev ${table}\ndelete table netdev ${table}\n`;
}

/**
 * The rules of one tap, as input for `nft -f -`, which applies all or nothing. At the ingress hook of the tap
 * every frame of the guest passes, whether it goes on to a bridge or to the host itself.
 *
 * - The guest may not reach wdockd on its own host: whoever owns the guest does not own the device.
 * - Routed: frames for hardware addresses that the guest learned on the host before are taken as sent to this
 *   host, which routes them on. Without it they are dropped until the guest's ARP cache has aged.
 */
export function buildRules(binding: NetworkBinding, tapMac: string, closedPorts: readonly number[]): string {
  const rules: string[] = [];
  if (closedPorts.length > 0) {
    const ports = `{ ${closedPorts.join(', ')} }`;
    rules.push(`fib daddr type local tcp dport ${ports} drop`);
  }
  if (binding.mode === 'routed') {
    rules.push(`ether type ip meta pkttype other ether daddr set ${tapMac} meta pkttype set host`);
  }
  const table = tableName(binding.tap);
  return [
    buildRemoval(binding.tap).trimEnd(),
    `table netdev ${table} {`,
    '  chain ingress {',
    `    type filter hook ingress device "${binding.tap}" priority -150; policy accept;`,
    ...rules.map((rule) => `    ${rule}`),
    '  }',
    '}',
    '',
  ].join('\n');
}
