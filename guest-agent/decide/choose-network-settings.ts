import type { NetworkMode } from '../../protocol/allocation.ts';
import { alone, type IpAddress, isIPv6, isLinkLocal, sameAddress } from './ip-address.ts';
import { networksOf, wayThroughHost } from './way-through-host.ts';

/** What the interface has of one family at this moment, as NetworkManager's IP4Config and IP6Config say it. */
export interface PresentIp {
  /** No link-local ones. */
  readonly addresses: readonly IpAddress[];
  readonly gateway: string | undefined;
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
}

/**
 * What to change for one family in the connection that is in use; the user's saved profile is never changed.
 *
 * - `saved`: as the profile says, and addresses of another LAN beside it.
 * - `kept`: these addresses as a fixed configuration. Behind a host that routes, neither broadcasts nor router
 *   advertisements reach the guest: a lease or an advertised prefix would run out, and every connection with it. No
 *   neighbour of the LAN can be found by NDP there either, so `routed` networks are reached through the gateway too.
 * - `led`: as it is, for `forMs`, while what the LAN gave is good; the kernel's own routes lead everything to `gateway`,
 *   also what goes to the `routed` networks. Then it has to be `kept`.
 * - `renewed`: as the profile says, and the present addresses beside it until the LAN has given them again. Going
 *   from `kept` straight to `saved` would take them away for as long as the LAN takes to answer.
 * - `only`: these addresses of another LAN and nothing else.
 * - `asked`: as the profile says, asked of a LAN that the guest has not been on: addresses are probed before use.
 * - `unchanged`: as it is.
 */
export type IpSettings =
  | { readonly kind: 'saved' | 'asked'; readonly beside: readonly IpAddress[] }
  | { readonly kind: 'only'; readonly addresses: readonly IpAddress[] }
  | { readonly kind: 'kept'; readonly present: PresentIp; readonly routed: readonly IpAddress[] }
  | {
      readonly kind: 'led';
      readonly gateway: string;
      readonly routed: readonly IpAddress[];
      readonly forMs: number;
    }
  | {
      readonly kind: 'renewed';
      readonly addresses: readonly IpAddress[];
      /** Until DHCP has named one. */
      readonly gateway: string | undefined;
      /** Which of the addresses stay beside what the LAN gives. */
      readonly beside: readonly IpAddress[];
    }
  | { readonly kind: 'unchanged' };

type Kept = IpSettings & { readonly kind: 'kept' };

export interface NetworkChange {
  /** NMMetered of `connection.metered`: 1 yes, 2 no. */
  readonly metered: 1 | 2;
  /** Bytes; undefined for the profile's. */
  readonly mtu: number | undefined;
  readonly ip4: IpSettings;
  readonly ip6: IpSettings;
}

/** One family of the connection. */
export interface IpSituation {
  /** undefined while the device has no configuration of this family. */
  readonly present: PresentIp | undefined;
  /** `ipv4.method` or `ipv6.method` of the saved profile. */
  readonly savedMethod: string;
  /** The method of the connection in use. */
  readonly method: string;
  /** Addresses that the connection in use has fixed, beside those it is given. */
  readonly fixed: readonly IpAddress[];
}

export interface NetworkSituation {
  /** `hasLease`: a DHCP client holds a lease on the device. */
  readonly ip4: IpSituation & { readonly hasLease: boolean };
  /** `goodForMs`: how long the addresses that the LAN gave are good without it; undefined where that does not count. */
  readonly ip6: IpSituation & { readonly goodForMs?: number | undefined };
}

/**
 * How long names can be looked up for when no router is heard: radvd's default for a server is 1200 s, said again at
 * least each 600 s (RFC 8106, 5.1: no less than that; NetworkManager does not tell what is left).
 */
const serversGoodForMs = 600_000;
/** Less is not worth the wait, ms. */
const leastLedMs = 20_000;

export interface NetworkWish {
  readonly mode: NetworkMode;
  readonly metered: boolean;
  readonly hostMac?: string | undefined;
  readonly lan: 'same' | 'other';
  /** A DHCP server can be asked from here. */
  readonly dhcp: boolean;
  /** Addresses of another LAN that stay. */
  readonly keep: readonly string[];
  readonly mtu?: number | undefined;
}

/**
 * The changes, to be made one after the other. On another LAN there are two: one that ends the old lease and forgets
 * the old routers, which NetworkManager otherwise keeps over a Reapply, and one that asks anew.
 *
 * @param formerKeep addresses that earlier wishes kept; they go unless this one names them.
 */
export function chooseNetworkSettings(
  wish: NetworkWish,
  { ip4, ip6 }: NetworkSituation,
  formerKeep: readonly string[] = [],
): NetworkChange[] {
  const change = (settings4: IpSettings, settings6: IpSettings): NetworkChange => ({
    metered: wish.metered ? 1 : 2,
    mtu: wish.mtu,
    ip4: settings4,
    ip6: settings6,
  });
  const keep4 = wish.keep.filter((address) => !isIPv6(address)).map(alone);
  const keep6 = wish.keep.filter(isIPv6).map(alone);
  if (wish.lan === 'other') {
    const first = change(dropped(ip4, keep4), dropped(ip6, keep6));
    return [first, change(asked(ip4, keep4), askedIPv6(wish, ip6, keep6))];
  }
  const foreign = [...wish.keep, ...formerKeep];
  const own4 = without(ip4.present?.addresses ?? [], foreign);
  const own6 = without(ip6.present?.addresses ?? [], foreign);
  const settings4 = chooseIPv4(wish, ip4, own4, keep4);
  // To change one family is to have both changed.
  const changes = settings4.kind === 'kept' || settings4.kind === 'renewed';
  const situation6 = changes ? { ...ip6, goodForMs: undefined } : ip6;
  const hasServers4 = (ip4.present?.nameservers ?? []).length > 0;
  return [change(settings4, chooseIPv6(wish, { ...situation6, hasServers4 }, own6, keep6))];
}

function chooseIPv4(
  wish: NetworkWish,
  { present, savedMethod, method, fixed, hasLease }: NetworkSituation['ip4'],
  own: readonly IpAddress[],
  keep: readonly IpAddress[],
): IpSettings {
  if (present === undefined || own.length === 0 || !isLearnt(savedMethod)) return saved(savedMethod, keep);
  const addresses = [...own, ...keep];
  if (wish.mode !== 'bridged' && !wish.dhcp)
    return { kind: 'kept', present: { ...present, addresses }, routed: [] };
  if (hasLease) return isSettled({ method, fixed }, keep) ? { kind: 'unchanged' } : saved(savedMethod, keep);
  return { kind: 'renewed', addresses, gateway: present.gateway, beside: keep };
}

/** `hasServers4`: there are name servers of IPv4, and NetworkManager names them first in resolv.conf. */
type IPv6Situation = NetworkSituation['ip6'] & { readonly hasServers4: boolean };

function chooseIPv6(
  wish: NetworkWish,
  { present, savedMethod, method, fixed, goodForMs, hasServers4 }: IPv6Situation,
  own: readonly IpAddress[],
  keep: readonly IpAddress[],
): IpSettings {
  if (present === undefined || own.length === 0 || !isLearnt(savedMethod)) return saved(savedMethod, keep);
  // In the order of the connection in use: asked for twice, nothing changes.
  const place = ({ address }: IpAddress): number => {
    const at = fixed.findIndex((one) => sameAddress(one.address, address));
    return at < 0 ? fixed.length : at;
  };
  const ordered = [...own].sort((one, other) => place(one) - place(other));
  if (wish.mode !== 'bridged') {
    const kept = keptIPv6(wish, present, [...ordered, ...keep]);
    const isOwn = fixed.every(({ address }) => own.some((one) => sameAddress(one.address, address)));
    const canBeLed = isLearnt(method) && isOwn && keep.length === 0;
    return canBeLed && (hasServers4 || canAskAll(present)) ? led(kept, goodForMs) : kept;
  }
  if (isSettled({ method, fixed }, keep)) return { kind: 'unchanged' };
  return { kind: 'renewed', addresses: [...ordered, ...keep], gateway: undefined, beside: keep };
}

/** The LAN gives all that the guest has, but for what is kept. */
function isSettled(
  { method, fixed }: Pick<IpSituation, 'method' | 'fixed'>,
  keep: readonly IpAddress[],
): boolean {
  return (
    isLearnt(method) &&
    fixed.length === keep.length &&
    keep.every(({ address }) => fixed.some((one) => sameAddress(one.address, address)))
  );
}

/** None of its name servers is one of the link, which cannot be asked from behind a host. */
function canAskAll({ nameservers }: PresentIp): boolean {
  return nameservers.every((address) => !isLinkLocal(address));
}

/** Everything goes to the host: its end of the tap has the link-local address of its hardware address. */
function keptIPv6(wish: NetworkWish, present: PresentIp, addresses: readonly IpAddress[]): Kept {
  const way = wayThroughHost(wish.hostMac, addresses);
  // A server of the link cannot be asked from behind the host.
  const nameservers = present.nameservers.filter((address) => !isLinkLocal(address));
  const gateway = way?.gateway ?? present.gateway;
  const routed = gateway === undefined ? [] : networksOf(addresses);
  return { kind: 'kept', present: { ...present, addresses, gateway, nameservers }, routed };
}

/**
 * To change the connection is to have it change: NetworkManager (up to 1.52) then takes every IPv6 address away for some
 * milliseconds. That is not done on a trip where it can be done later, or not at all.
 */
function led(kept: Kept, goodForMs: number | undefined): IpSettings {
  const forMs = Math.min(serversGoodForMs, (goodForMs ?? 0) / 2);
  const { gateway } = kept.present;
  if (gateway === undefined || forMs < leastLedMs) return kept;
  return { kind: 'led', gateway, routed: kept.routed, forMs };
}

function dropped({ savedMethod }: IpSituation, keep: readonly IpAddress[]): IpSettings {
  return isLearnt(savedMethod) ? { kind: 'only', addresses: keep } : saved(savedMethod, keep);
}

function asked({ savedMethod }: IpSituation, keep: readonly IpAddress[]): IpSettings {
  return isLearnt(savedMethod) ? { kind: 'asked', beside: keep } : saved(savedMethod, keep);
}

/** Behind a host that routes no router advertises itself; what is kept has its way out through the host all the same. */
function askedIPv6(wish: NetworkWish, situation: IpSituation, keep: readonly IpAddress[]): IpSettings {
  if (wish.mode === 'bridged' || keep.length === 0 || !isLearnt(situation.savedMethod))
    return asked(situation, keep);
  return keptIPv6(wish, { addresses: [], gateway: undefined, nameservers: [], searches: [] }, keep);
}

/** A profile without addresses of this family cannot have some beside it. */
function saved(method: string, beside: readonly IpAddress[]): IpSettings {
  return { kind: 'saved', beside: isLearnt(method) || method === 'manual' ? beside : [] };
}

function isLearnt(method: string): boolean {
  return method === 'auto' || method === 'dhcp';
}

function without(addresses: readonly IpAddress[], foreign: readonly string[]): IpAddress[] {
  return addresses.filter(({ address }) => !foreign.some((one) => sameAddress(one, address)));
}
