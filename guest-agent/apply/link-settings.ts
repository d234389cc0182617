import { networkInterfaces } from 'node:os';
import { type IpAddress, isIPv6, isLinkLocal, sameAddress } from '../decide/ip-address.ts';
import { wayOut } from '../decide/way-out.ts';
import type { WayThroughHost } from '../decide/way-through-host.ts';
import { findShortestLife } from '../observe/parse-kernel-text.ts';
import { runProgram } from '../run-program.ts';
import type { SystemFiles } from '../system-files.ts';

/** From now on the kernel announces addresses by itself when the link or they come back (ip-sysctl). */
export async function announceByItself(files: SystemFiles, name: string): Promise<void> {
  await Promise.all(
    [`ipv4/conf/${name}/arp_notify`, `ipv6/conf/${name}/ndisc_notify`].map((path) =>
      // A kernel may be without IPv6.
      files.write(`/proc/sys/net/${path}`, '1').catch(() => {}),
    ),
  );
}

/** Makes the way out of kept addresses lead to this hardware address; to nobody where there is none. */
export async function setWayOut(name: string, mac: string | undefined, signal: AbortSignal): Promise<void> {
  for (const gateway of Object.values(wayOut)) {
    const change =
      mac === undefined ? ['del', gateway] : ['replace', gateway, 'lladdr', mac, 'nud', 'permanent'];
    // Not there, or a kernel without IPv6.
    await runProgram(['ip', 'neigh', ...change, 'dev', name], 5000, signal).catch(() => {});
  }
}

/** Marks the routes of `leadThroughHost` as the agent's (`proto` of ip-route). */
const ownProtocol = '187';
/** Less than any that NetworkManager gives. */
const ownMetric = '1';

/**
 * From now on IPv6 goes to this gateway on the link, for everything and for these networks of the link, whatever
 * routes NetworkManager has made; by those again where it is undefined.
 */
export async function leadThroughHost(
  name: string,
  way: WayThroughHost | undefined,
  signal: AbortSignal,
): Promise<void> {
  // A kernel may be without IPv6.
  if (way === undefined) {
    const own = ['dev', name, 'proto', ownProtocol];
    await runProgram(['ip', '-6', 'route', 'flush', ...own], 5000, signal).catch(() => {});
    return;
  }
  await Promise.all(wayCommands(name, way).map((words) => runProgram(['ip', '-6', ...words], 5000, signal)));
}

/** The commands of ip(8) by which IPv6 goes this way. */
export function wayCommands(name: string, { gateway, routed }: WayThroughHost): string[][] {
  const networks = ['default', ...routed.map(({ address, prefix }) => `${address}/${prefix}`)];
  const to = ['via', gateway, 'dev', name, 'proto', ownProtocol, 'metric', ownMetric, 'onlink'];
  return networks.map((network) => ['route', 'replace', network, ...to]);
}

/** How long the IPv6 addresses that the LAN gave are good without it, ms: Infinity where it gave none. */
export async function readGoodForMs(name: string, signal: AbortSignal): Promise<number> {
  const shown = ['ip', '-json', '-6', 'addr', 'show', 'dev', name, 'scope', 'global'] as const;
  return findShortestLife(await runProgram(shown, 5000, signal).catch(() => '')) * 1000;
}

/** The interface's own addresses of the link, which every IPv6 packet to a neighbour needs. */
export function linkLocalAddresses(name: string): IpAddress[] {
  return (networkInterfaces()[name] ?? [])
    .filter(({ address }) => isIPv6(address) && isLinkLocal(address))
    .map(({ address }) => ({ address, prefix: 64 }));
}

/** The interface's IPv6 addresses but those of the link. */
export function lastingAddresses6(name: string): IpAddress[] {
  return (networkInterfaces()[name] ?? []).flatMap(({ address, cidr }) =>
    isIPv6(address) && !isLinkLocal(address)
      ? [{ address, prefix: Number(cidr?.split('/')[1] ?? '128') }]
      : [],
  );
}

export function hasAddresses(name: string, addresses: readonly Pick<IpAddress, 'address'>[]): boolean {
  const present = networkInterfaces()[name] ?? [];
  return addresses.every(({ address }) => present.some((one) => sameAddress(one.address, address)));
}
