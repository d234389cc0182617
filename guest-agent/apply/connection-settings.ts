import { isDeepStrictEqual } from 'node:util';
import { makeVariant, plainDbusValue } from '../dbus/dbus-value.ts';
import type { IpSettings, NetworkChange } from '../decide/choose-network-settings.ts';
import { type IpAddress, isIPv6, parseIPv6, sameAddress } from '../decide/ip-address.ts';
import { wayOut, wayOutMetric } from '../decide/way-out.ts';

/** A connection's settings as NetworkManager sends them: group, key, variant. */
export type Settings = Readonly<Record<string, Group>>;
type Group = Readonly<Record<string, unknown>>;
type Family = 'ipv4' | 'ipv6';

/** Seconds, for NetworkManager: an answer that is late is still wanted, and no answer takes nothing away. */
const forever = 2_147_483_647;
/** How long a new address is probed for before it is used, ms (RFC 5227); NetworkManager's own default since 1.50. */
const probeMs = 200;
/** Bytes. */
const ethernetMtu = 1500;
/** Less than any that NetworkManager gives a route by itself, and more than the way of `leadThroughHost`. */
const firstMetric = 2;

/** The connection in use, changed; `saved` is the profile that it came from. */
export function changeSettings(applied: Settings, saved: Settings, change: NetworkChange): Settings {
  const ethernet = '802-3-ethernet';
  return {
    ...applied,
    connection: { ...applied['connection'], metered: makeVariant('i', change.metered) },
    ...(applied[ethernet] === undefined
      ? {}
      : { [ethernet]: withMtu(applied[ethernet], saved[ethernet] ?? {}, change.mtu) }),
    ipv4: ipGroup('ipv4', applied['ipv4'] ?? {}, saved['ipv4'] ?? {}, change.ip4),
    ipv6: ipGroup('ipv6', applied['ipv6'] ?? {}, saved['ipv6'] ?? {}, change.ip6),
  };
}

/** Whether two texts of a connection say the same. */
export function sameSettings(one: Settings, other: Settings): boolean {
  return isDeepStrictEqual(one, other);
}

/** The addresses of a group that are fixed. */
export function fixedAddresses(group: Group | undefined): IpAddress[] {
  const data = plainDbusValue(group?.['address-data'] ?? []) as { address: string; prefix: number }[];
  return data.map(({ address, prefix }) => ({ address, prefix }));
}

/** NetworkManager sets a size that it is told, and goes back from none by itself. */
function withMtu(applied: Group, saved: Group, mtu: number | undefined): Group {
  const own = numberOf(saved['mtu']);
  const wanted = mtu ?? (own > 0 || numberOf(applied['mtu']) === 0 ? own : ethernetMtu);
  const { mtu: _, ...rest } = applied;
  return wanted === 0 ? rest : { ...rest, mtu: makeVariant('u', wanted) };
}

/** 0 where there is none. */
function numberOf(setting: unknown): number {
  return Number(plainDbusValue(setting) ?? 0);
}

function ipGroup(family: Family, applied: Group, saved: Group, wish: IpSettings): Group {
  if (wish.kind === 'unchanged' || wish.kind === 'led') return applied;
  if (wish.kind === 'kept') return keptGroup(family, saved, wish);
  if (wish.kind === 'only') return onlyGroup(family, saved, wish.addresses);
  const group = withAddresses(
    wish.beside.length === 0 ? saved : withWayOut(family, saved),
    wish.kind === 'renewed' ? wish.addresses : wish.beside,
  );
  if (wish.kind === 'saved') return group;
  return {
    ...group,
    ...(family === 'ipv6'
      ? { 'ra-timeout': makeVariant('i', forever) }
      : { 'dhcp-timeout': makeVariant('i', forever) }),
    ...(wish.kind === 'renewed' && wish.gateway !== undefined
      ? { gateway: makeVariant('s', wish.gateway) }
      : {}),
    ...(wish.kind === 'asked' && family === 'ipv4' && !(Number(plainDbusValue(saved['dad-timeout'])) >= 0)
      ? { 'dad-timeout': makeVariant('i', probeMs) }
      : {}),
  };
}

function withAddresses(saved: Group, beside: readonly IpAddress[]): Group {
  if (beside.length === 0) return saved;
  const own = fixedAddresses(saved);
  const more = beside.filter(({ address }) => !own.some((one) => sameAddress(one.address, address)));
  return { ...withoutOlderForms(saved), 'address-data': addressData([...own, ...more]) };
}

function onlyGroup(family: Family, saved: Group, addresses: readonly IpAddress[]): Group {
  const group = withoutLearning(saved);
  for (const key of ['dns', 'dns-data', 'dns-search']) delete group[key];
  if (addresses.length === 0)
    return { ...group, method: makeVariant('s', family === 'ipv6' ? 'link-local' : 'disabled') };
  return {
    ...withWayOut(family, group),
    method: makeVariant('s', 'manual'),
    'address-data': addressData(addresses),
  };
}

function keptGroup(family: Family, saved: Group, wish: IpSettings & { kind: 'kept' }): Group {
  const { addresses, gateway, nameservers, searches } = wish.present;
  const group = withoutLearning(saved);
  const ownServers = nameservers.filter((one) => isIPv6(one) === (family === 'ipv6'));
  return {
    ...group,
    method: makeVariant('s', 'manual'),
    'address-data': addressData(addresses),
    ...(gateway === undefined ? {} : { gateway: makeVariant('s', gateway) }),
    ...(gateway === undefined || wish.routed.length === 0
      ? {}
      : { 'route-data': withRoutes(group['route-data'], gateway, firstMetric, wish.routed) }),
    dns:
      family === 'ipv6'
        ? makeVariant('aay', ownServers.map(bytesOfIPv6))
        : makeVariant('au', ownServers.map(networkOrderIPv4)),
    'dns-data': makeVariant('as', ownServers),
    'dns-search': makeVariant('as', searches),
  };
}

/** Without what belongs to other methods than a fixed one. */
function withoutLearning(group: Group): Record<string, unknown> {
  const rest = withoutOlderForms(group);
  for (const key of ['dhcp-timeout', 'ra-timeout', 'dad-timeout', 'gateway', 'address-data'])
    delete rest[key];
  return rest;
}

/** `addresses` and `routes` are older forms of `address-data` and `route-data`, and win over them. */
function withoutOlderForms(group: Group): Record<string, unknown> {
  const { addresses: _, routes: __, ...rest } = group;
  return rest;
}

function addressData(addresses: readonly IpAddress[]): unknown {
  return makeVariant(
    'aa{sv}',
    addresses.map(({ address, prefix }) => ({
      address: makeVariant('s', address),
      prefix: makeVariant('u', prefix),
    })),
  );
}

function withWayOut(family: Family, group: Group): Group {
  const everywhere = [{ address: family === 'ipv6' ? '::' : '0.0.0.0', prefix: 0 }];
  const routes = withRoutes(group['route-data'], wayOut[family], wayOutMetric, everywhere);
  return { ...withoutOlderForms(group), 'route-data': routes };
}

function withRoutes(saved: unknown, via: string, metric: number, networks: readonly IpAddress[]): unknown {
  const own = (saved as { value?: readonly unknown[] } | undefined)?.value ?? [];
  const more = networks.map(({ address, prefix }) => ({
    dest: makeVariant('s', address),
    prefix: makeVariant('u', prefix),
    'next-hop': makeVariant('s', via),
    metric: makeVariant('u', metric),
    // No network of the interface needs to contain the next hop.
    onlink: makeVariant('b', true),
  }));
  return makeVariant('aa{sv}', [...own, ...more]);
}

/** An IPv4 address as the number whose bytes in memory, on a little-endian machine, are the address's. */
function networkOrderIPv4(address: string): number {
  return address.split('.').reduce((word, part, at) => word + Number(part) * 2 ** (8 * at), 0);
}

function bytesOfIPv6(address: string): Buffer {
  return Buffer.from((parseIPv6(address) ?? []).flatMap((word) => [word >> 8, word & 0xff]));
}
