import type { LinkFacts } from '../../../protocol/host-profile.ts';
import type { NetworkInterface } from '../network/read-interfaces.ts';

export interface LinkWishes {
  /** The bridge for guests, where it is not the one that the wired interface is a port of. */
  readonly bridge?: string | undefined;
  /** The interface towards the LAN, where it cannot be told: a virtual one, or one of several. */
  readonly uplink?: string | undefined;
}

/** Virtual kinds that carry a host's own traffic; others (tun, veth, wireguard, bridge, …) carry somebody else's. */
const ownKinds = new Set([undefined, 'bond', 'team', 'vlan']);

/** The links to a LAN that this host has now: up, and with an address of their own or of their bridge. */
export function joinLinks(
  interfaces: readonly NetworkInterface[],
  wireless: ReadonlySet<string>,
  wishes: LinkWishes = {},
): LinkFacts[] {
  const links = interfaces.flatMap((each): LinkFacts[] => {
    const wished = each.name === wishes.uplink;
    if (!wished && (each.loopback || !each.carrier || !ownKinds.has(each.kind))) return [];
    const wifi = wireless.has(each.name);
    const bridge = wifi ? undefined : (wishes.bridge ?? bridgeOf(each, interfaces));
    const addresses = addressesOf(each, bridge, interfaces);
    if (!wished && addresses.length === 0) return [];
    return [
      {
        name: each.name,
        kind: wifi ? 'wifi' : 'ethernet',
        ...(bridge === undefined ? {} : { bridge }),
        canBridge: !wifi,
        metered: false,
        addresses,
      },
    ];
  });
  const first = (link: LinkFacts): number => (link.name === wishes.uplink ? 0 : 1);
  return links.sort((a, b) => first(a) - first(b));
}

/**
 * The links of a profile file with the addresses that the interfaces of these names have now. A host may only
 * pretend to have 4 CPUs or Wi-Fi, but what it is reached by is real, or nothing would be routed.
 */
export function mergeLinks(
  claimed: readonly LinkFacts[],
  interfaces: readonly NetworkInterface[],
): LinkFacts[] {
  return claimed.map((link) => {
    const real = interfaces.find((each) => each.name === link.name);
    if (real === undefined) return { ...link, addresses: [] };
    const bridge = link.bridge ?? (link.canBridge ? bridgeOf(real, interfaces) : undefined);
    return {
      ...link,
      ...(bridge === undefined ? {} : { bridge }),
      addresses: addressesOf(real, bridge, interfaces),
    };
  });
}

function bridgeOf(port: NetworkInterface, interfaces: readonly NetworkInterface[]): string | undefined {
  return interfaces.find((each) => each.name === port.master && each.kind === 'bridge')?.name;
}

function addressesOf(
  link: NetworkInterface,
  bridge: string | undefined,
  interfaces: readonly NetworkInterface[],
): string[] {
  const onBridge = interfaces.find((each) => each.name === bridge)?.addresses ?? [];
  return [...link.addresses, ...onBridge];
}
