import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import type { GuestState } from '../../protocol/guest-state.ts';
import { decideNetworkMode, type ToldNetwork } from '../decide/decide-network-mode.ts';
import { sleep } from '../retry-delay.ts';
import type { SystemFiles } from '../system-files.ts';
import { findDefaultRoute, findNeighbour } from './parse-kernel-text.ts';

/** How long a gateway may take to answer an ARP request; the kernel asks three times, a second apart. */
const resolveLimitMs = 2500;
const resolvePollMs = 100;

/**
 * The network as the kernel has it: that is the truth whoever configured it. `mode` needs the gateway's hardware
 * address; where it is not known, the gateway is asked (which also tells the LAN where the guest is).
 */
export async function readNetwork(
  files: SystemFiles,
  told: ToldNetwork | undefined,
  signal: AbortSignal,
): Promise<{ network: GuestState['network']; notes: string[] }> {
  const route = findDefaultRoute((await files.readIfThere('/proc/net/route')) ?? '');
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

/** The neighbour's hardware address, asked for where it is not known; undefined when it does not answer. */
export async function resolveNeighbour(
  files: SystemFiles,
  neighbour: { interface: string; gateway: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  for (let waitedMs = 0; ; waitedMs += resolvePollMs) {
    const table = (await files.readIfThere('/proc/net/arp')) ?? '';
    const mac = findNeighbour(table, neighbour.gateway, neighbour.interface);
    if (mac !== undefined || waitedMs >= resolveLimitMs) return mac;
    if (waitedMs === 0) await nudge(neighbour.gateway);
    // The table has no event that Node can hear (netlink), so it is looked at again, for a short while.
    await sleep(resolvePollMs, signal);
  }
}

/** One empty datagram to the discard port: the kernel has to resolve the address to send it. Failing is an answer too. */
export function nudge(address: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const done = (): void => {
      socket.close();
      resolve();
    };
    socket.once('error', done);
    socket.send(new Uint8Array(0), 9, address, (error) => {
      if (error === null || error === undefined) done();
      else socket.emit('error', error);
    });
  });
}

/** The first interface with hardware behind it, by name. */
export async function findHardwareInterface(files: SystemFiles): Promise<string | undefined> {
  for (const name of (await files.list('/sys/class/net')).sort()) {
    const entries = await files.list(`/sys/class/net/${name}`);
    if (entries.includes('device')) return name;
  }
  return undefined;
}

function isLinkLocal(address: string): boolean {
  return address.startsWith('169.254.') || /^fe[89ab]/i.test(address);
}
