import type { KernelAddress, KernelRoute, KernelState } from './kernel-state.ts';

/** What is on an interface that another one takes over. */
export type Belongings = Pick<KernelState, 'addresses' | 'routes'>;

/**
 * Input for `ip -batch -`: a bridge with the interface's hardware address takes over its addresses and routes, in an
 * order in which the host can be reached after every line. While an interface is a port and still has the addresses,
 * what comes in through the bridge is taken and what goes out leaves by the port itself.
 */
export function buildMaking(link: string, bridge: string, state: KernelState): string {
  return lines([
    `link add name ${bridge} address ${state.mac} mtu ${state.mtu} type bridge stp_state 0 forward_delay 0`,
    `link set dev ${bridge} up`,
    ...state.addresses.map((each) => addAddress(each, bridge)),
    `link set dev ${link} master ${bridge}`,
    ...moveRoutes(state.routes, link, bridge),
    ...state.addresses.map((each) => removeAddress(each, link)),
  ]);
}

/** The other way round; the addresses and routes are those that the bridge has now. */
export function buildRemoval(link: string, bridge: string, state: Belongings): string {
  return lines([
    ...state.addresses.map((each) => addAddress(each, link)),
    ...moveRoutes(state.routes, bridge, link),
    `link set dev ${link} nomaster`,
    `link delete dev ${bridge}`,
  ]);
}

/**
 * Puts an interface back from wherever a making or a removal was ended. For `ip -force -batch -`: lines for what is
 * done already fail, and the rest is done.
 */
export function buildRepair(link: string, bridge: string, before: Belongings): string {
  return lines([
    ...before.addresses.map((each) => addAddress(each, link)),
    `link set dev ${link} nomaster`,
    `link set dev ${link} up`,
    ...before.routes.map((route) => `route replace ${routeText(route)} dev ${link}`),
    `link delete dev ${bridge}`,
  ]);
}

function moveRoutes(routes: readonly KernelRoute[], from: string, to: string): string[] {
  return routes
    .map(routeText)
    .flatMap((text) => [`route append ${text} dev ${to}`, `route delete ${text} dev ${from}`]);
}

function addAddress(each: KernelAddress, device: string): string {
  const valid = each.validS === undefined ? 'forever' : `${each.validS}`;
  const preferred = each.preferredS === undefined ? 'forever' : `${each.preferredS}`;
  // Nobody else can have it: this host has it already. Asking around would keep it unused for a second.
  const kind = each.ipv6 ? 'nodad' : each.broadcast === undefined ? '' : `broadcast ${each.broadcast}`;
  return `address replace ${each.address}/${each.prefix} ${kind} dev ${device} valid_lft ${valid} preferred_lft ${preferred}`;
}

function removeAddress(each: KernelAddress, device: string): string {
  return `address delete ${each.address}/${each.prefix} dev ${device}`;
}

/** A line of a batch has no -6: the family is that of the first address, which `default` is not. */
function routeText({ ipv6, text }: KernelRoute): string {
  return text.replace(/\bdefault\b/, ipv6 ? '::/0' : '0.0.0.0/0');
}

function lines(list: readonly string[]): string {
  return `${list.join('\n')}\n`;
}
