import { z } from 'zod';

/** A Linux interface name: IFNAMSIZ less its zero, no slash, no space. */
export const InterfaceName = z.string().regex(/^[^\s/:]{1,15}$/, 'is no interface name');

/** How a tap is joined to the LAN on this host. */
export const NetworkBinding = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('bridged'), tap: InterfaceName, bridge: InterfaceName }),
  z.strictObject({
    mode: z.literal('routed'),
    tap: InterfaceName,
    uplink: InterfaceName,
    /** IPv4 addresses of the guest, without prefix length; only they are routed to the tap and answered for. */
    guestAddresses: z.array(z.ipv4()),
  }),
]);
export type NetworkBinding = z.infer<typeof NetworkBinding>;

/** A kernel setting under /proc/sys/net/ipv4, e.g. `conf/wlan0/forwarding`. */
export interface Setting {
  readonly name: string;
  readonly value: string;
}

/**
 * What the kernel must do on the uplink: forward what comes for the guest, and answer for the guest's address
 * at once (proxy_delay holds proxy answers back for up to 0.8 s). Only on this interface: the host must not
 * become a router between its other networks.
 */
export function uplinkSettings(uplink: string): Setting[] {
  return [
    { name: `conf/${uplink}/forwarding`, value: '1' },
    { name: `neigh/${uplink}/proxy_delay`, value: '0' },
  ];
}

/**
 * On the tap: answer every ARP request of the guest for what lies elsewhere, forward what it then sends here,
 * and take only what has the guest's own source address (the reverse route of any other is not the tap).
 */
export function tapSettings(tap: string, routed: boolean): Setting[] {
  const on = routed ? '1' : '0';
  return [
    { name: `conf/${tap}/forwarding`, value: on },
    { name: `conf/${tap}/proxy_arp`, value: on },
    { name: `neigh/${tap}/proxy_delay`, value: '0' },
    { name: `conf/${tap}/rp_filter`, value: on },
    { name: `conf/${tap}/send_redirects`, value: '0' },
    { name: `conf/${tap}/accept_redirects`, value: '0' },
  ];
}

/**
 * The hardware address of the host's end: the guest's with the first byte fe, as libvirt has it. It is the same
 * on every host, so a guest that goes from one routed host to the next need not learn it again; and it is high,
 * so that a bridge does not take it for its own.
 */
export function tapHardwareAddress(guestMac: string): string {
  return `fe${guestMac.slice(2)}`.toLowerCase();
}
