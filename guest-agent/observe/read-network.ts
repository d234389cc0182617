import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import type { GuestState } from '../../protocol/guest-state.ts';
import { decideNetworkMode, type ToldNetwork } from '../decide/decide-network-mode.ts';
import { isIPv6, isLinkLocal } from '../decide/ip-address.ts';
import { sleep } from '../retry-delay.ts';
import { runProgram } from '../run-program.ts';
import type { SystemFiles } from '../system-files.ts';
import { findDefaultRoute, findDefaultRoute6, findNeighbour, findNeighbour6 } from './parse-kernel-text.ts';

/** A way out: through which interface, and to whom. */
export interface DefaultRoute {
  readonly interface: string;
  readonly gateway: string;
}

export interface DefaultRoutes {
  readonly ip4: DefaultRoute | undefined;
  readonly ip6: DefaultRoute | undefined;
}

/** How long a gateway may take to answer an ARP or NDP request; the kernel asks three times, a second apart. */
const resolveLimitMs = 2500;
const resolvePollMs = 100;
/** A request that was lost, because the interface had no address just then, is repeated. */
const resolveAgainMs = 500;

/**
 * The network as the kernel has it: that is the truth whoever configured it. `mode` needs the gateway's hardware
 * address; where it is not known, the gateway is asked (which also tells the LAN where the guest is).
 */
export async function readNetwork(
  files: SystemFiles,
  told: ToldNetwork | undefined,
  signal: AbortSignal,
): Promise<{ network: GuestState['network']; notes: string[] }> {
  const { ip4, ip6 } = await readDefaultRoutes(files);
  // Where both are there they lead to one host; on a network without IPv4 the other says as much.
  const route = ip4 ?? ip6;
  const name = route?.interface ?? (await findHardwareInterface(files));
  if (name === undefined)
    return { network: { addresses: [] }, notes: ['network: there is no network interface'] };
  const entries = networkInterfaces()[name] ?? [];
  const addresses = entries
    .filter(({ address }) => !isLinkLocal(address))
    .map(({ cidr, address }) => cidr ?? address);
  const mac = (await files.readIfThere(`/sys/class/net/${name}/address`))?.trim();
  const gatewayMac = route === undefined ? undefined : await resolveNeighbour(files, route, signal);
  const decided = decideNetworkMode(gatewayMac, told);
  return {
    network: {
      ...('mode' in decided ? { mode: decided.mode } : {}),
      interface: name,
      addresses,
      ...(route === undefined ? {} : { gateway: route.gateway }),
      ...(mac ? { macAddress: mac } : {}),
    },
    notes: 'mode' in decided ? [] : [`network: ${decided.unknownBecause}`],
  };
}

export async function readDefaultRoutes(files: SystemFiles): Promise<DefaultRoutes> {
  const [ip4, ip6] = await Promise.all(
    ['/proc/net/route', '/proc/net/ipv6_route'].map((path) => files.readIfThere(path)),
  );
  return { ip4: findDefaultRoute(ip4 ?? ''), ip6: findDefaultRoute6(ip6 ?? '') };
}

/** The neighbour's hardware address, asked for where it is not known; undefined when it does not answer. */
export async function resolveNeighbour(
  files: SystemFiles,
  neighbour: DefaultRoute,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (let waitedMs = 0; ; waitedMs += resolvePollMs) {
    const mac = await readNeighbour(files, neighbour, signal);
    if (mac !== undefined || waitedMs >= resolveLimitMs) return mac;
    if (waitedMs % resolveAgainMs === 0) await nudge(neighbour);
    // The table has no event that Node can hear (netlink), so it is looked at again, for a short while.
    await sleep(resolvePollMs, signal);
  }
}

/** One empty datagram to the discard port: the kernel has to resolve the address to send it. Failing is an answer too. */
export function nudge({ gateway, interface: name }: DefaultRoute): Promise<void> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(gateway) ? 'udp6' : 'udp4');
    const done = (): void => {
      socket.close();
      resolve();
    };
    socket.once('error', done);
    const address = isLinkLocal(gateway) && isIPv6(gateway) ? `${gateway}%${name}` : gateway;
    socket.send(new Uint8Array(0), 9, address, (error) => {
      if (error === null || error === undefined) done();
      else socket.emit('error', error);
    });
  });
}

async function readNeighbour(
  files: SystemFiles,
  { gateway, interface: name }: DefaultRoute,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!isIPv6(gateway)) return findNeighbour((await files.readIfThere('/proc/net/arp')) ?? '', gateway, name);
  // The kernel has no file of IPv6 neighbours.
  const shown = runProgram(['ip', '-json', '-6', 'neigh', 'show', 'to', gateway, 'dev', name], 5000, signal);
  return findNeighbour6(await shown.catch(() => ''));
}

/** The first interface with hardware behind it, by name. */
export async function findHardwareInterface(files: SystemFiles): Promise<string | undefined> {
  for (const name of (await files.list('/sys/class/net')).sort()) {
    const entries = await files.list(`/sys/class/net/${name}`);
    if (entries.includes('device')) return name;
  }
  return undefined;
}
