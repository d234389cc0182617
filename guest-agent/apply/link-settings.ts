import { networkInterfaces } from 'node:os';
import { type IpAddress, isIPv6, isLinkLocal, sameAddress } from '../decide/ip-address.ts';
import { wayOut } from '../decide/way-out.ts';
import { sleep } from '../retry-delay.ts';
import { runProgram } from '../run-program.ts';
import type { SystemFiles } from '../system-files.ts';

/** How long addresses may take to come back after a Reapply, and between two looks, ms. */
const returnLimitMs = 2000;
const lookMs = 10;

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

/** Waits until the interface has all of these; false where they did not come in time. */
export async function waitForAddresses(
  name: string,
  addresses: readonly IpAddress[],
  signal: AbortSignal,
): Promise<boolean> {
  for (let waitedMs = 0; ; waitedMs += lookMs) {
    const there = hasAddresses(name, addresses);
    if (there || waitedMs >= returnLimitMs) return there;
    await sleep(lookMs, signal);
  }
}

/** The interface's own addresses of the link, which every IPv6 packet to a neighbour needs. */
export function linkLocalAddresses(name: string): IpAddress[] {
  return (networkInterfaces()[name] ?? [])
    .filter(({ address }) => isIPv6(address) && isLinkLocal(address))
    .map(({ address }) => ({ address, prefix: 64 }));
}

export function hasAddresses(name: string, addresses: readonly Pick<IpAddress, 'address'>[]): boolean {
  const present = networkInterfaces()[name] ?? [];
  return addresses.every(({ address }) => present.some((one) => sameAddress(one.address, address)));
}
