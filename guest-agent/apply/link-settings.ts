import { networkInterfaces } from 'node:os';
import { type IpAddress, isIPv6, isLinkLocal, sameAddress } from '../decide/ip-address.ts';
import { sleep } from '../retry-delay.ts';
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

/**
 * Does work in which NetworkManager may take IPv6 addresses away for some milliseconds (up to 1.52 each Reapply
 * switches IPv6 off and on). They come back as new ones, and would then be probed for, deaf and dumb, for one to two
 * seconds; so duplicate address detection pauses until they are back: they were the guest's all the time.
 */
export async function withoutProbing<T>(
  files: SystemFiles,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const path = `/proc/sys/net/ipv6/conf/${name}/accept_dad`;
  const before = (await files.readIfThere(path))?.trim();
  if (before === undefined || Number(before) === 0) return work();
  await files.write(path, '0').catch(() => {});
  try {
    return await work();
  } finally {
    await files.write(path, before).catch(() => {});
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
