import type { NetworkBinding, Setting } from './binding.ts';

/**
 * The link-local address of an interface, modified EUI-64 (RFC 4291, appendix A): the guest finds its router by it, on
 * each host that routes, because each has the tap's hardware address.
 */
export function linkLocalAddress(mac: string): string {
  const bytes = mac.split(':').map((byte) => Number.parseInt(byte, 16));
  const [first = 0, ...rest] = bytes;
  const id = [first ^ 0x02, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)];
  const words = [0, 2, 4, 6].map((at) => (((id[at] ?? 0) << 8) | (id[at + 1] ?? 0)).toString(16));
  return `fe80::${words.join(':')}`;
}

/**
 * On a tap that is routed, also behind NAT: forward what the guest sends here, and take only what has the guest's own
 * source address (the reverse route of any other is not the tap). A guest that is to be on the LAN takes the whole LAN
 * for its neighbours: there, answer every ARP request for what lies elsewhere.
 *
 * Where a guest is beside its host, forward what it still sends to one that has routed to it; the way back is another one.
 */
export function tapSettings(tap: string, mode: NetworkBinding['mode']): Setting[] {
  const routes = mode === 'routed' || mode === 'nat';
  return [
    { name: `ipv4/conf/${tap}/forwarding`, value: mode === 'bridged' ? '0' : '1' },
    { name: `ipv4/conf/${tap}/proxy_arp`, value: mode === 'routed' ? '1' : '0' },
    { name: `ipv4/neigh/${tap}/proxy_delay`, value: '0' },
    { name: `ipv4/conf/${tap}/rp_filter`, value: routes ? '1' : '0' },
    { name: `ipv4/conf/${tap}/send_redirects`, value: '0' },
    { name: `ipv4/conf/${tap}/accept_redirects`, value: '0' },
  ];
}

/** Before a tap is up: the host speaks no IPv6 there, so it takes nothing from the guest and is not seen by it. */
export function withoutIpv6(tap: string): Setting {
  return { name: `ipv6/conf/${tap}/disable_ipv6`, value: '1' };
}

/**
 * IPv6 on a tap that is routed: no address but the one that is given (addr_gen_mode 1), none by autoconfiguration, and
 * nothing that the guest advertises is believed. In this order.
 */
export function tapIpv6Settings(tap: string): Setting[] {
  return [
    { name: `ipv6/conf/${tap}/addr_gen_mode`, value: '1' },
    { name: `ipv6/conf/${tap}/accept_ra`, value: '0' },
    { name: `ipv6/conf/${tap}/autoconf`, value: '0' },
    { name: `ipv6/conf/${tap}/accept_redirects`, value: '0' },
    { name: `ipv6/conf/${tap}/disable_ipv6`, value: '0' },
    { name: `ipv6/conf/${tap}/forwarding`, value: '1' },
  ];
}
