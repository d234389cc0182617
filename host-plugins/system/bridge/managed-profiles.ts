import { makeVariant, plainDbusValue } from '../dbus/dbus-value.ts';
import type { ConnectionSettings } from '../network-manager/network-manager.ts';
import type { KernelAddress } from './kernel-state.ts';

/** Above every profile of the user's: when the cable comes back, the interface is a port again. */
const ownPriority = 999;
/** NM_SETTING_IP6_CONFIG_ADDR_GEN_MODE_EUI64 */
const eui64 = 0;
/** NetworkManager's word for "try for ever": the host has its address already, and shall not lose it over a silent server. */
const forever = 0x7fff_ffff;

export interface ProfileNames {
  readonly link: string;
  readonly bridge: string;
  readonly bridgeProfile: string;
  readonly portProfile: string;
}

/** Types of connections that can be a port as they are. */
export const portTypes: readonly string[] = ['802-3-ethernet', 'bond', 'vlan', 'team'];

export function connectionText(settings: ConnectionSettings, group: string, key: string): string | undefined {
  const value = plainDbusValue(settings[group]?.[key]);
  return typeof value === 'string' ? value : undefined;
}

/**
 * The profile of a bridge that takes the place of an interface: the interface's hardware address, so that DHCP gives
 * the same address again; and the IP settings of the connection that is in use.
 */
export function bridgeProfile(
  applied: ConnectionSettings,
  names: ProfileNames,
  mac: string,
  mtu: number,
  addresses: readonly KernelAddress[],
): ConnectionSettings {
  const { zone, metered, lldp, mdns, llmnr } = applied['connection'] ?? {};
  const kept = Object.entries({ zone, metered, lldp, mdns, llmnr }).filter(
    ([, value]) => value !== undefined,
  );
  const ipv4 = { ...applied['ipv4'] };
  if (connectionText(applied, 'ipv4', 'method') === 'auto') ipv4['dhcp-timeout'] = makeVariant('i', forever);
  return {
    connection: {
      ...Object.fromEntries(kept),
      id: makeVariant('s', `wireless-dock bridge over ${names.link}`),
      uuid: makeVariant('s', names.bridgeProfile),
      type: makeVariant('s', 'bridge'),
      'interface-name': makeVariant('s', names.bridge),
      'autoconnect-priority': makeVariant('i', ownPriority),
    },
    bridge: { stp: makeVariant('b', false), 'forward-delay': makeVariant('u', 0) },
    '802-3-ethernet': {
      'assigned-mac-address': makeVariant('s', mac),
      ...(mtu === 1500 ? {} : { mtu: makeVariant('u', mtu) }),
    },
    ipv4,
    ipv6: { ...applied['ipv6'], ...sameInterfaceIdentifier(applied, addresses) },
  };
}

/** The connection in use, as a port: without IP settings, everything else as it is. */
export function portProfile(
  applied: ConnectionSettings,
  names: ProfileNames,
  mac: string,
): ConnectionSettings {
  const { ipv4: _4, ipv6: _6, proxy: _proxy, connection = {}, ...rest } = applied;
  const { zone: _zone, secondaries: _secondaries, timestamp: _time, permissions } = connection;
  const ethernet = { ...rest['802-3-ethernet'] };
  // The older form of `assigned-mac-address`, which would win over it.
  delete ethernet['cloned-mac-address'];
  return {
    ...rest,
    ...(rest['802-3-ethernet'] === undefined
      ? {}
      : { '802-3-ethernet': { ...ethernet, 'assigned-mac-address': makeVariant('s', mac) } }),
    connection: {
      ...(permissions === undefined ? {} : { permissions }),
      ...(connection['type'] === undefined ? {} : { type: connection['type'] }),
      id: makeVariant('s', `wireless-dock port ${names.link}`),
      uuid: makeVariant('s', names.portProfile),
      'interface-name': makeVariant('s', names.link),
      master: makeVariant('s', names.bridgeProfile),
      'slave-type': makeVariant('s', 'bridge'),
      'autoconnect-priority': makeVariant('i', ownPriority),
    },
  };
}

/**
 * NetworkManager may make the last half of an IPv6 address from the interface's name, which is another one now. The
 * half that the interface has is written down, and the router's prefix gives the same address.
 */
function sameInterfaceIdentifier(
  applied: ConnectionSettings,
  addresses: readonly KernelAddress[],
): Record<string, unknown> {
  if (connectionText(applied, 'ipv6', 'method') !== 'auto') return {};
  const written =
    (plainDbusValue(applied['ipv6']?.['address-data']) as { address: string }[] | undefined) ?? [];
  const own = addresses.find(
    ({ ipv6, temporary, prefix, address }) =>
      ipv6 && !temporary && prefix === 64 && !written.some((each) => each.address === address),
  );
  const identifier = own === undefined ? undefined : lastHalf(own.address);
  if (identifier === undefined) return {};
  return { 'addr-gen-mode': makeVariant('i', eui64), token: makeVariant('s', identifier) };
}

/** `fd78::50f4:99ff:fe9a:9e37` → `::50f4:99ff:fe9a:9e37`; undefined where the half is zero, which is no token. */
function lastHalf(address: string): string | undefined {
  const [left = '', right = ''] = address.split('::');
  const groups =
    right === '' && !address.includes('::')
      ? left.split(':')
      : [...(left === '' ? [] : left.split(':')), ...Array<string>(8).fill('0'), ...right.split(':')];
  const half = groups.slice(-4);
  return half.every((group) => /^0*$/.test(group)) ? undefined : `::${half.join(':')}`;
}
