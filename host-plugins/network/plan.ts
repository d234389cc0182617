import { z } from 'zod';
import { type NetworkMode, PortName } from '../../protocol/allocation.ts';
import type { LinkFacts } from '../../protocol/host-profile.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { PlanContext } from '../contract/resource-plugin.ts';
import { InterfaceName } from '../system/network/binding.ts';
import { unavailableModes } from './unavailable-modes.ts';

/** The way from the tap to the LAN on the target, or why there is none. */
export const Way = z.discriminatedUnion('mode', [
  z.strictObject({ mode: z.literal('bridged'), bridge: InterfaceName }),
  z.strictObject({ mode: z.literal('routed'), uplink: InterfaceName }),
  z.strictObject({ mode: z.literal('none'), wished: z.string(), why: z.string() }),
]);
export type Way = z.infer<typeof Way>;

export const NetworkChange = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('bind'), way: Way, open: z.array(PortName).optional() }),
  z.strictObject({ action: z.literal('announce'), way: Way }),
  z.strictObject({ action: z.literal('apply'), way: Way, metered: z.boolean() }),
]);
export type NetworkChange = z.infer<typeof NetworkChange>;

/**
 * The path is laid while the VM still runs elsewhere, which takes nothing from it; when it runs the LAN is told, then the guest.
 * Planned also when mode and link stay the same: it is another host.
 */
export function planNetwork(context: PlanContext): PlanStep[] {
  const { network } = context.to;
  const way = chooseWay(network.mode, network.link, context.target.links);
  const where = describeWay(way);
  const { open } = network;
  const bind: NetworkChange = { action: 'bind', way, ...(open === undefined ? {} : { open }) };
  const announce: NetworkChange = { action: 'announce', way };
  const apply: NetworkChange = { action: 'apply', way, metered: network.metered };
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

export function chooseWay(mode: NetworkMode, linkName: string | undefined, links: readonly LinkFacts[]): Way {
  const none = (why: string): Way => ({ mode: 'none', wished: mode, why });
  const named = links.filter(
    (link) => linkName === undefined || link.name === linkName || link.bridge === linkName,
  );
  if (named.length === 0) {
    return none(linkName === undefined ? 'the host has no link' : `the host has no link ${linkName}`);
  }
  const unavailable = unavailableModes[mode];
  if (unavailable !== undefined || mode === 'nat') return none(unavailable ?? 'not in this version');
  if (mode === 'routed') {
    const link = named[0];
    // On a host whose link is a port of a bridge, the bridge has the addresses and does the routing.
    return link === undefined ? none('the host has no link') : { mode, uplink: link.bridge ?? link.name };
  }
  const link = named.find((each) => each.canBridge && each.bridge !== undefined);
  if (link?.bridge !== undefined) return { mode, bridge: link.bridge };
  const [first] = named;
  if (first?.canBridge === false)
    return none(`${first.name} is a Wi-Fi station, which cannot be a port of a bridge`);
  return none(`${first?.name ?? 'the link'} is not a port of a bridge`);
}

export function describeWay(way: Way): string {
  if (way.mode === 'bridged') return `bridged on ${way.bridge}`;
  if (way.mode === 'routed') return `routed through ${way.uplink}`;
  return `${way.wished}, which is not possible here`;
}
