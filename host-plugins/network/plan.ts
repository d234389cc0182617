import { z } from 'zod';
import { type NetworkMode, PortForward, PortName } from '../../protocol/allocation.ts';
import type { LinkFacts } from '../../protocol/host-profile.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { PlanContext } from '../contract/resource-plugin.ts';
import { InterfaceName } from '../system/network/binding.ts';

/** The way from the tap to the LAN on the target, or why there is none. */
export const Way = z.discriminatedUnion('mode', [
  /** `over`: the interface over which the bridge is still to be made. */
  z.strictObject({ mode: z.literal('bridged'), bridge: InterfaceName, over: InterfaceName.optional() }),
  /** By a port of its own on a link that is in no bridge. */
  z.strictObject({ mode: z.literal('beside'), link: InterfaceName }),
  z.strictObject({ mode: z.literal('routed'), uplink: InterfaceName }),
  z.strictObject({ mode: z.literal('nat'), uplink: InterfaceName }),
  z.strictObject({ mode: z.literal('none'), wished: z.string(), why: z.string() }),
]);
export type Way = z.infer<typeof Way>;

/** What the guest is told of the network that it is on now (agent-channel.ts, apply-network). */
const Told = z.strictObject({
  metered: z.boolean(),
  lan: z.enum(['same', 'other']),
  keep: z.array(z.string()),
  mtu: z.int().optional(),
  portal: z.boolean(),
});
export type Told = z.infer<typeof Told>;

/** What the guest reaches of the host and its LAN, and by which ports of the host it is reached. */
const Ports = z.strictObject({
  reach: z.literal('internet').optional(),
  open: z.array(PortName).optional(),
  forward: z.array(PortForward).optional(),
});
export type Ports = z.infer<typeof Ports>;

export const NetworkChange = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('bind'), way: Way, ports: Ports }),
  z.strictObject({ action: z.literal('announce'), way: Way }),
  z.strictObject({ action: z.literal('apply'), way: Way, told: Told }),
]);
export type NetworkChange = z.infer<typeof NetworkChange>;

/**
 * The path is laid while the VM still runs elsewhere, which takes nothing from it; when it runs the LAN is told, then the guest.
 * Planned also when mode and link stay the same: it is another host.
 */
export function planNetwork(context: PlanContext): PlanStep[] {
  const { network } = context.to;
  const mode = modeOn(network.mode, context.lanChange);
  const way = chooseWay(mode, network.link, context.target.links, network.beside);
  const where = describeWay(way);
  const { reach, open, forward } = network;
  const ports: Ports = {
    ...(reach === undefined ? {} : { reach }),
    ...(open === undefined ? {} : { open }),
    ...(forward === undefined ? {} : { forward }),
  };
  const bind: NetworkChange = { action: 'bind', way, ports };
  const announce: NetworkChange = { action: 'announce', way };
  const apply: NetworkChange = { action: 'apply', way, told: tellGuest(mode, context) };
  return [
    {
      resource: 'network',
      when: 'on-arrival',
      text: `join the guest to the network, ${where}`,
      change: bind,
    },
    {
      resource: 'network',
      when: 'on-run',
      text: 'tell the network where the guest is',
      change: announce,
    },
    {
      resource: 'network',
      when: 'after-move',
      text: `re-bind the guest's connection, ${where}`,
      change: apply,
    },
  ];
}

/**
 * A host can route to addresses of its LAN only, and a guest that comes from another LAN has none: behind this host it
 * gets one at once. Unless it comes back to where its addresses were kept.
 */
function modeOn(mode: NetworkMode, lanChange: PlanContext['lanChange']): NetworkMode {
  return mode === 'routed' && lanChange?.lan === 'other' && lanChange.known === undefined ? 'nat' : mode;
}

/** Behind NAT the guest is on a network of its own: it enters another LAN when it comes there, and when it leaves. */
function tellGuest(mode: NetworkMode, { to, from, target, lanChange }: PlanContext): Told {
  const link = linksOf(to.network.link, target.links)[0];
  const apart = mode === 'nat' || from?.network.mode === 'nat';
  return {
    metered: to.network.metered,
    lan: apart ? 'other' : (lanChange?.lan ?? 'same'),
    // Behind a host that routes nobody gives the guest IPv6 addresses: what it comes back to it has to have from us.
    keep: [
      ...(lanChange?.anchor?.addresses ?? []),
      ...(mode === 'routed' ? (lanChange?.known ?? []).filter((address) => address.includes(':')) : []),
    ],
    ...(link?.mtu === undefined ? {} : { mtu: link.mtu }),
    portal: link?.portal ?? false,
  };
}

function linksOf(name: string | undefined, links: readonly LinkFacts[]): readonly LinkFacts[] {
  return links.filter((link) => name === undefined || link.name === name || link.bridge === name);
}

export function chooseWay(
  mode: NetworkMode,
  linkName: string | undefined,
  links: readonly LinkFacts[],
  beside = false,
): Way {
  const none = (why: string): Way => ({ mode: 'none', wished: mode, why });
  const named = linksOf(linkName, links);
  if (named.length === 0) {
    return none(linkName === undefined ? 'the host has no link' : `the host has no link ${linkName}`);
  }
  if (mode !== 'bridged') {
    const link = named[0];
    // On a host whose link is a port of a bridge, the bridge has the addresses and does the routing.
    return link === undefined ? none('the host has no link') : { mode, uplink: link.bridge ?? link.name };
  }
  const link = named.find((each) => each.canBridge && each.bridge !== undefined);
  if (link?.bridge !== undefined) return { mode, bridge: link.bridge };
  const [first] = named;
  const free = beside ? named.find((each) => each.canBridge) : undefined;
  if (free !== undefined) return { mode: 'beside', link: free.name };
  for (const { name, newBridge } of named) {
    if (newBridge?.possible === true) return { mode, bridge: newBridge.name, over: name };
  }
  if (first?.canBridge === false)
    return none(`${first.name} is a Wi-Fi station, which cannot be a port of a bridge`);
  const why = first?.newBridge?.possible === false ? `; ${first.newBridge.why}` : '';
  return none(`${first?.name ?? 'the link'} is not a port of a bridge${why}`);
}

export function describeWay(way: Way): string {
  if (way.mode === 'bridged') {
    return way.over === undefined
      ? `bridged on ${way.bridge}`
      : `bridged on ${way.bridge}, which is made over ${way.over}`;
  }
  if (way.mode === 'beside') return `bridged by a port of its own on ${way.link}`;
  if (way.mode === 'routed') return `routed through ${way.uplink}`;
  if (way.mode === 'nat') return `behind the host's address on ${way.uplink}`;
  return `${way.wished}, which is not possible here`;
}
