import { z } from 'zod';
import { PortForward, PortName } from '../../../protocol/allocation.ts';

/**
 * A Linux interface name (IFNAMSIZ less its zero). Of what the kernel allows, only what is neither an option to
 * ip(8) nor syntax to nft(8) nor a way out of a folder.
 */
export const InterfaceName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,14}$/, 'is no interface name');

/** IPv4 and IPv6 addresses of the guest, without prefix length. */
const GuestAddresses = z.array(z.union([z.ipv4(), z.ipv6()]));

/** Ports of this host that the guest reaches; all others are closed to it. */
const OpenPorts = z.array(PortName);

/** How a tap is joined to the LAN on this host. */
export const NetworkBinding = z.discriminatedUnion('mode', [
  z.strictObject({
    mode: z.literal('bridged'),
    tap: InterfaceName,
    bridge: InterfaceName,
    guestAddresses: GuestAddresses.optional(),
    open: OpenPorts.optional(),
  }),
  /** By a port of its own on a link that its host goes on to use as before: on the LAN like any computer, and apart from its host. */
  z.strictObject({
    mode: z.literal('beside'),
    tap: InterfaceName,
    link: InterfaceName,
    guestMac: z.string(),
    guestAddresses: GuestAddresses.optional(),
  }),
  z.strictObject({
    mode: z.literal('routed'),
    tap: InterfaceName,
    uplink: InterfaceName,
    /** Only they are routed to the tap and answered for. */
    guestAddresses: GuestAddresses,
    open: OpenPorts.optional(),
    /** By it the guest is found at once; and its DHCP messages are passed on to the LAN, where that can be. */
    guestMac: z.string().optional(),
  }),
  z.strictObject({
    mode: z.literal('nat'),
    tap: InterfaceName,
    uplink: InterfaceName,
    /** What the guest may have from elsewhere: its network here is another one. */
    guestAddresses: GuestAddresses.optional(),
    open: OpenPorts.optional(),
    forward: z.array(PortForward).optional(),
    /** The guest reaches nothing of the LAN, and no other guest of this host. */
    reach: z.literal('internet').optional(),
  }),
]);
export type NetworkBinding = z.infer<typeof NetworkBinding>;
export type RoutedBinding = NetworkBinding & { readonly mode: 'routed' };

/** A kernel setting under /proc/sys/net, e.g. `ipv4/conf/wlan0/forwarding`. */
export interface Setting {
  readonly name: string;
  readonly value: string;
}

/** The host's own interface towards the LAN. */
export function lanInterface(binding: NetworkBinding): string {
  switch (binding.mode) {
    case 'bridged':
      return binding.bridge;
    case 'beside':
      return binding.link;
    case 'routed':
    case 'nat':
      return binding.uplink;
  }
}

/** The host forwards between the tap and the LAN, and has an address at the tap. */
export function isForwarded(binding: NetworkBinding): binding is NetworkBinding & { mode: 'routed' | 'nat' } {
  return binding.mode === 'routed' || binding.mode === 'nat';
}

export function isIpv6(address: string): boolean {
  return address.includes(':');
}

/** Every tap's name begins so; rules that concern all guests of the host match it. */
export const tapPrefix = 'wd-';

export function forwardingSetting(name: string): string {
  return `ipv4/conf/${name}/forwarding`;
}

/**
 * What the kernel must do for IPv4 on the host's interface towards the LAN. Only there, and with rules that let nothing
 * else through (nft-rules.ts): the host must not become a router between its other networks.
 *
 * - Routed: forward what comes for the guest, and answer for its address at once (proxy_delay holds proxy
 *   answers back for up to 0.8 s).
 * - Bridged: a guest that comes from a routed host sends to that host's tap, which has the same hardware address
 *   as this one's. Such frames reach this host itself, which sends them on, until the guest has learned better.
 *
 * - Beside: nothing of it is changed.
 *
 * For IPv6 the same is in ipv6-forwarding.ts.
 */
export function ipv4Settings(binding: NetworkBinding): Setting[] {
  if (binding.mode === 'beside') return [];
  const forwarding = { name: forwardingSetting(lanInterface(binding)), value: '1' };
  if (binding.mode !== 'routed') return [forwarding];
  return [forwarding, { name: `ipv4/neigh/${binding.uplink}/proxy_delay`, value: '0' }];
}

/**
 * The hardware address of the host's end: the guest's with the first byte fe, as libvirt has it. It is the same
 * on every host, so what a guest sends to its last host's tap is taken in at the next one's; and it is high, so
 * that a bridge does not take it for its own.
 */
export function tapHardwareAddress(guestMac: string): string {
  return `fe${guestMac.slice(2)}`.toLowerCase();
}
