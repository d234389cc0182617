import { z } from 'zod';
import { isInSubnet, withoutPrefix } from './ip-address.ts';

/** The network of one guest behind its host: the host is the first address of each, the guest the second. */
export const NatNetwork = z.strictObject({
  /** The first three numbers of a /24, e.g. `192.168.200`. */
  ipv4: z.string().regex(/^\d{1,3}\.\d{1,3}\.\d{1,3}$/),
  /** A /64 without its length, e.g. `fd12:3456:789a:1::`; absent where the host's LAN has no IPv6. */
  ipv6: z
    .string()
    .regex(/^fd[0-9a-f:]+::$/)
    .optional(),
});
export type NatNetwork = z.infer<typeof NatNetwork>;

/** The guest's own address; the same for as long as it is on this host, so that ports can be forwarded to it. */
export function natGuestAddress({ ipv4 }: NatNetwork): string {
  return `${ipv4}.2`;
}

/** Seldom used by home routers, which begin with 192.168.0 and 192.168.1, and by VPNs and containers, with 10 and 172. */
const candidates = [
  ...Array.from({ length: 56 }, (_, at) => `192.168.${200 + at}`),
  ...Array.from({ length: 56 }, (_, at) => `10.${200 + at}.77`),
];

/**
 * An IPv4 network that nothing in `used` has a part of: routes and addresses of the host with prefix length, and the
 * addresses of the guest, which it may keep. Undefined where all are taken.
 */
export function chooseNatSubnet(used: readonly string[]): string | undefined {
  return candidates.find((candidate) => {
    const subnet = `${candidate}.0/24`;
    return !used.some((each) => {
      const network = each.includes('/') ? each : `${each}/32`;
      return isInSubnet(withoutPrefix(network), subnet) || isInSubnet(`${candidate}.0`, network);
    });
  });
}

/** RFC 4193: `random` is the 40 bits of the global ID. */
export function uniqueLocalPrefix(random: Uint8Array): string {
  const hex = Array.from(random.subarray(0, 5), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `fd${hex.slice(0, 2)}:${hex.slice(2, 6)}:${hex.slice(6, 10)}:1::`;
}

/** What dnsmasq serves there: DHCP, DNS, and router advertisements where there is IPv6. */
export function natServices(network: NatNetwork, tapMac: string): string[] {
  const guest = natGuestAddress(network);
  return [
    `--dhcp-range=${guest},${network.ipv4}.9,255.255.255.0,1h`,
    // The tap's hardware address is the guest's, but for the first byte.
    `--dhcp-host=*${tapMac.slice(2)},${guest}`,
    '--dhcp-authoritative',
    '--domain-needed',
    ...(network.ipv6 === undefined ? [] : ['--enable-ra', `--dhcp-range=${network.ipv6},ra-only,64,1h`]),
  ];
}
