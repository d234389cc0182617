import type { Allocation } from '../../protocol/allocation.ts';
import type { HostProfile, LanChange, LinkFacts } from '../../protocol/host-profile.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import { sameLan } from '../../protocol/same-lan.ts';
import { isInSubnet, withoutPrefix } from '../system/network/ip-address.ts';

/** One end of a move, as far as the network is concerned. */
export interface MoveEnd {
  readonly id: string;
  readonly name: string;
  readonly profile: Pick<HostProfile, 'links'>;
  /** What the guest has, or gets, there. */
  readonly network: Allocation['network'] | undefined;
}

export interface LanMove {
  readonly from: MoveEnd;
  readonly to: MoveEnd;
  /** Of the guest, with prefix length. */
  readonly guestAddresses: readonly string[];
  /** What the guest came to the present host with. */
  readonly before: LanChange | undefined;
  /** Why this device shall or can keep no addresses; undefined where it does. */
  readonly noAnchor: string | undefined;
}

export interface LanDecision {
  /** Absent: the same LAN, and nothing kept. */
  readonly lanChange: LanChange | undefined;
  /** Addresses that the guest has for sure on the target's LAN, with prefix length. */
  readonly guestAddresses: string[];
  readonly shortfalls: Shortfall[];
}

/**
 * What a move means for the guest's addresses. On another LAN the device that it leaves keeps those of its own LAN (an
 * anchor), where it may and can. Only one device does so at a time: addresses that yet another one has kept are given
 * up, unless the guest goes back to just that device.
 */
export function decideLanChange(move: LanMove): LanDecision {
  const { from, to, before } = move;
  const kept = new Set(before?.anchor?.addresses ?? []);
  const own = withoutKept(move.guestAddresses, before);
  const goesBack = before?.anchor?.deviceId === to.id;
  const shortfalls =
    kept.size > 0 && !goesBack ? [connectionsEnd([...kept], 'they are of a third network')] : [];

  const left = linkOf(from);
  const reached = linkOf(to);
  if (left === undefined || reached === undefined || staysOnLan(move, left, reached)) {
    const lanChange: LanChange | undefined = kept.size > 0 ? { lan: 'same' } : undefined;
    return { lanChange, guestAddresses: own, shortfalls };
  }

  const subnetsLeft = from.network?.mode === 'nat' ? [] : left.addresses;
  const toKeep = own.filter((address) => subnetsLeft.some((subnet) => isInSubnet(address, subnet)));
  const why = move.noAnchor ?? (toKeep.length === 0 ? `"${from.name}" cannot answer for them` : undefined);
  const lost = why === undefined ? [] : own.map(withoutPrefix).filter((address) => !isLinkLocal(address));
  if (why !== undefined && lost.length > 0) shortfalls.push(connectionsEnd(lost, why));
  // What that device has kept for the guest is the guest's there again.
  const guestAddresses = goesBack ? [...kept].flatMap((address) => onLink(address, reached)) : [];
  const anchor = { deviceId: from.id, addresses: toKeep.map(withoutPrefix) };
  return {
    lanChange: {
      lan: 'other',
      ...(guestAddresses.length === 0 ? {} : { known: guestAddresses.map(withoutPrefix) }),
      ...(why === undefined ? { anchor } : {}),
    },
    guestAddresses,
    shortfalls,
  };
}

/** Behind a NAT the guest is on a network of its own, wherever its host is. */
function staysOnLan({ from, to }: LanMove, left: LinkFacts, reached: LinkFacts): boolean {
  return from.network?.mode !== 'nat' && to.network?.mode !== 'nat' && sameLan(left, reached);
}

/** The host's own interface towards the LAN that the guest is on. */
export function lanDeviceOf(end: MoveEnd): string | undefined {
  const link = linkOf(end);
  return link?.bridge ?? link?.name;
}

/** What of the guest's addresses belongs to the LAN that it is on. */
export function withoutKept(addresses: readonly string[], lanChange: LanChange | undefined): string[] {
  const kept = lanChange?.anchor?.addresses ?? [];
  return addresses.filter((address) => !kept.includes(withoutPrefix(address)));
}

/** The host's link towards the LAN that the guest is on. */
export function linkOf({ network, profile }: Pick<MoveEnd, 'network' | 'profile'>): LinkFacts | undefined {
  const name = network?.link;
  return profile.links.find((link) => name === undefined || link.name === name || link.bridge === name);
}

/** `10.77.0.50` → `10.77.0.50/24`, as its LAN has it; nothing for an address that is none of that LAN. */
function onLink(address: string, link: LinkFacts): string[] {
  const subnet = link.addresses.find((each) => isInSubnet(address, each));
  return subnet === undefined ? [] : [`${address}/${subnet.split('/')[1]}`];
}

function isLinkLocal(address: string): boolean {
  return /^(?:fe[89ab]|169\.254\.)/i.test(address);
}

function connectionsEnd(addresses: readonly string[], why: string): Shortfall {
  return {
    resource: 'network',
    requested: `connections of ${addresses.join(', ')} stay open`,
    actual: 'they end',
    reason: why,
  };
}
