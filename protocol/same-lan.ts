import type { LinkFacts } from './host-profile.ts';

/**
 * Whether two hosts' links lead to one LAN. Two networks often have the same addresses, and never the same router:
 * where both know the hardware address of their gateway it decides. Where one does not, a shared subnet does.
 */
export function sameLan(a: LinkFacts, b: LinkFacts): boolean {
  if (a.gatewayMac !== undefined && b.gatewayMac !== undefined) {
    return a.gatewayMac.toLowerCase() === b.gatewayMac.toLowerCase();
  }
  const subnets = new Set(a.addresses.map(subnetOf));
  return b.addresses.map(subnetOf).some((subnet) => subnet !== undefined && subnets.has(subnet));
}

/** `10.77.0.11/24` → a text that is the same for every address of that subnet; undefined for a host's own /32 or /128. */
function subnetOf(address: string): string | undefined {
  const [host = '', length = ''] = address.split('/');
  const bits = host.includes(':') ? ipv6Bits(host) : ipv4Bits(host);
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (bits === undefined || !(prefix > 0 && prefix < bits.length)) return undefined;
  return `${bits.slice(0, prefix)}/${bits.length}`;
}

function ipv4Bits(host: string): string | undefined {
  const parts = host.split('.');
  const good = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
  return good ? parts.map((part) => Number(part).toString(2).padStart(8, '0')).join('') : undefined;
}

/** As ip(8) and inet_ntop(3) write them; an address with an embedded IPv4 one is none of a LAN's. */
function ipv6Bits(host: string): string | undefined {
  const halves = host.split('::');
  if (halves.length > 2) return undefined;
  const [left = [], right = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - left.length - right.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array<string>(missing).fill('0'), ...right];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0')).join('');
}
