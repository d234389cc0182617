import type { Choice } from '../../policies/choose/choose.ts';
import type { Allocation, NetworkMode } from '../../protocol/allocation.ts';

/**
 * A workspace of somebody else brings a policy of its own, and names what it gets. Neither may be more than the owner of
 * the device gives by the device's own policy: these decide it.
 */

/** How far a guest is kept out of the LAN; a guest may wish to be kept out further, and not less. */
const apart: Record<NetworkMode, number> = { bridged: 0, routed: 1, nat: 2 };

const both = (own: readonly string[] = [], wished: readonly string[] = []): string[] =>
  wished.filter((each) => own.includes(each));

/**
 * @param own what the device's policy gives
 * @param wished what comes of that and of the workspace's policy on top
 */
export function limitToOwner(own: Choice, wished: Choice): Choice {
  const [mine, theirs] = [own.allocation, wished.allocation];
  const allocation: Allocation = {
    ...theirs,
    vcpus: Math.min(mine.vcpus, theirs.vcpus),
    memoryMiB: Math.min(mine.memoryMiB, theirs.memoryMiB),
    network: limitNetwork(mine.network, theirs.network),
  };
  const keepsNone = own.anchor.use === 'never';
  const limited = exceeding(theirs, allocation).map((what) => ({
    what: 'limit',
    value: what,
    rule: "the device's owner",
    because: 'a workspace of somebody else gets no more than the policy of the device itself gives',
  }));
  return {
    ...wished,
    allocation,
    anchor: keepsNone
      ? own.anchor
      : { ...wished.anchor, forMs: Math.min(own.anchor.forMs, wished.anchor.forMs) },
    decisions: [...wished.decisions, ...limited],
  };
}

function limitNetwork(own: Allocation['network'], wished: Allocation['network']): Allocation['network'] {
  const way = apart[wished.mode] > apart[own.mode] ? wished : own;
  const open = both(own.open, wished.open);
  const forward = both(own.forward, wished.forward);
  const isolated = own.reach === 'internet' || wished.reach === 'internet';
  return {
    mode: way.mode,
    ...(way.link === undefined ? {} : { link: way.link }),
    metered: own.metered || wished.metered,
    ...(isolated ? { reach: 'internet' } : {}),
    ...(open.length === 0 ? {} : { open }),
    ...(forward.length === 0 ? {} : { forward }),
  };
}

/** In what an allocation is more than is allowed, in words; empty where it is not. */
export function exceeding(asked: Allocation, allowed: Allocation): string[] {
  const more: string[] = [];
  if (asked.vcpus > allowed.vcpus) more.push(`${asked.vcpus} vCPUs of ${allowed.vcpus}`);
  if (asked.memoryMiB > allowed.memoryMiB) more.push(`${asked.memoryMiB} of ${allowed.memoryMiB} MiB`);
  const [wish, network] = [asked.network, allowed.network];
  const closer = apart[wish.mode] < apart[network.mode];
  const otherLink = wish.mode === network.mode && wish.link !== network.link;
  if (closer || otherLink) more.push(`${describe(wish)} instead of ${describe(network)}`);
  if (network.reach === 'internet' && wish.reach !== 'internet') more.push('the LAN, which is closed to it');
  for (const [what, wished = [], given = []] of [
    ['open port', wish.open, network.open],
    ['forwarded port', wish.forward, network.forward],
  ] as const) {
    for (const port of wished) if (!given.includes(port)) more.push(`the ${what} ${port}`);
  }
  return more;
}

const describe = ({ mode, link }: Allocation['network']): string =>
  link === undefined ? mode : `${mode} on ${link}`;
