import { tapPrefix } from './binding.ts';

/** A name that the kernel takes, as long as the tap's own. */
export function portName(tap: string): string {
  return `wm-${tap.slice(tapPrefix.length)}`;
}

/**
 * What goes from the tap to the port and back, as chains of the tap's table: all but what the guest still sends to a host
 * that has routed to it. That one's end of the tap had this one's hardware address, and this host passes it on.
 * After the rules for an anchor (anchor/carrying-rules.ts) and for a guest that stands still (standstill-rules.ts).
 */
export function passingChains(
  tap: string,
  tapMac: string,
): { name: string; head: string; rules: string[] }[] {
  const port = portName(tap);
  return [
    {
      name: 'to_port',
      head: `type filter hook ingress device "${tap}" priority 10; policy accept;`,
      rules: [`ether daddr != ${tapMac} fwd to "${port}"`],
    },
    {
      name: 'from_port',
      head: `type filter hook ingress device "${port}" priority 10; policy drop;`,
      rules: [`fwd to "${tap}"`],
    },
  ];
}
