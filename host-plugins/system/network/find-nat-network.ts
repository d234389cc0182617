import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { DockError } from '../../../protocol/dock-error.ts';
import { run } from '../process/run.ts';
import { isIpv6, type NetworkBinding } from './binding.ts';
import { commandLimitMs } from './ip-command.ts';
import { speaksIpv6 } from './ipv6-forwarding.ts';
import { chooseNatSubnet, type NatNetwork, uniqueLocalPrefix } from './nat-network.ts';
import type { NetworkRecord } from './network-record.ts';
import { readInterfaces } from './read-interfaces.ts';

const Routes = z.array(z.object({ dst: z.string().optional() }));
/** Half of all addresses, as VPNs route them instead of a default route, says nothing about who has which. */
const leastPrefix = 4;

/**
 * A network for a guest behind this host that collides with none that the host knows. With IPv6 where the host's LAN
 * has it. Throws `conflict` when there is none left.
 */
export async function findNatNetwork(
  binding: NetworkBinding & { mode: 'nat' },
  others: readonly NetworkRecord[],
  signal: AbortSignal,
): Promise<NatNetwork> {
  const interfaces = await readInterfaces(signal);
  const { stdout } = await run(['ip', '-4', '-j', 'route', 'show', 'table', 'all'], {
    timeoutMs: commandLimitMs,
    signal,
  });
  const routes = Routes.parse(JSON.parse(stdout.trim() === '' ? '[]' : stdout)).flatMap(
    ({ dst }) => dst ?? [],
  );
  const ipv4 = chooseNatSubnet([
    ...routes.filter((each) => Number(each.split('/')[1] ?? 32) >= leastPrefix),
    ...interfaces.flatMap(({ addresses }) => addresses),
    ...others.flatMap(({ nat }) => (nat === undefined ? [] : [`${nat.ipv4}.0/24`])),
    ...(binding.guestAddresses ?? []),
  ]);
  if (ipv4 === undefined) {
    throw new DockError(
      'conflict',
      'this host knows every private network that a guest could have behind it',
    );
  }
  const uplink = interfaces.find(({ name }) => name === binding.uplink);
  const hasIpv6 = (uplink?.addresses.some(isIpv6) ?? false) && (await speaksIpv6(binding.uplink, signal));
  return { ipv4, ...(hasIpv6 ? { ipv6: uniqueLocalPrefix(randomBytes(5)) } : {}) };
}
