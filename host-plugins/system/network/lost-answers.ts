import { z } from 'zod';
import { DockError } from '../../../protocol/dock-error.ts';
import { run } from '../process/run.ts';
import { isIpv6 } from './binding.ts';
import { addressKey, isInSubnet } from './ip-address.ts';
import { commandLimitMs } from './ip-command.ts';
import type { NetworkInterface } from './read-interfaces.ts';

const ProxyEntries = z.array(z.object({ dst: z.string(), dev: z.string() }).partial());

/** Whether the host does not answer on this interface for one or more of these addresses. */
export async function answersLost(
  uplink: string,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const argv = ['ip', '-j', 'neigh', 'show', 'proxy', 'dev', uplink];
  const { stdout } = await run(argv, { timeoutMs: commandLimitMs, signal });
  const answered = parseProxies(stdout);
  return addresses.some((address) => !answered.has(addressKey(address)));
}

function parseProxies(json: string): Set<string | undefined> {
  try {
    // Nothing to show is printed as nothing at all.
    const entries = ProxyEntries.parse(json.trim() === '' ? [] : JSON.parse(json));
    return new Set(entries.map(({ dst = '' }) => addressKey(dst)));
  } catch (error) {
    throw new DockError('protocol', 'the output of "ip -j neigh show proxy" is not understood', {
      cause: error,
    });
  }
}

/**
 * Whether an interface is on the LAN of a guest with these addresses, so that it may answer for them. By IPv4 where the guest
 * has such an address: an IPv6 address that a host got by DHCPv6 does not say what else is on its LAN.
 */
export function isOnLan(
  { up, addresses }: Pick<NetworkInterface, 'up' | 'addresses'>,
  guestAddresses: readonly string[],
): boolean {
  const ipv4 = guestAddresses.filter((address) => !isIpv6(address));
  const telling = ipv4.length > 0 ? ipv4 : guestAddresses;
  return up && telling.some((address) => addresses.some((subnet) => isInSubnet(address, subnet)));
}
