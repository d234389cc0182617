import { z } from 'zod';
import { DockError } from '../../../protocol/dock-error.ts';
import { readWireless } from '../../system/host-inventory/read-wireless.ts';
import { readInterfaces } from '../../system/network/read-interfaces.ts';
import { run } from '../../system/process/run.ts';
import type { PlayedHost } from './played-host.ts';

/** By which of our interfaces packets leave for somebody. */
export interface Way {
  readonly interfaceName: string;
  readonly medium: 'ethernet' | 'wifi' | 'other';
}

const RouteReply = z.array(z.object({ dev: z.string() })).min(1);
const limitMs = 5_000;
/** Tunnels, and what leads to guests: whatever carries them is not seen from here. Bridges, bonds and VLANs are cables. */
const notCables = new Set(['tun', 'wireguard', 'vxlan', 'gre', 'ipip', 'sit', 'ip6tnl', 'ppp', 'dummy']);

/**
 * @param address an IP address, as a socket says it: IPv4 within IPv6 (`::ffff:192.0.2.1`) and with a link (`fe80::1%eth0`)
 *   as well. Throws `io` where no route leads there, `missing-dependency` without ip(8).
 */
export async function readWay(
  address: string,
  plays: PlayedHost | undefined,
  signal: AbortSignal,
): Promise<Way> {
  const [to = '', link] = address.replace(/^::ffff:(?=\d+\.)/i, '').split('%');
  const argv = ['ip', '-j', 'route', 'get', to, ...(link === undefined ? [] : ['dev', link])];
  const { stdout } = await run(argv, { timeoutMs: limitMs, signal });
  const route = RouteReply.safeParse(JSON.parse(stdout));
  const interfaceName = route.data?.[0]?.dev;
  if (interfaceName === undefined)
    throw new DockError('protocol', `the output of "${argv.join(' ')}" is not understood`);
  return { interfaceName, medium: await readMedium(interfaceName, plays, signal) };
}

async function readMedium(
  name: string,
  plays: PlayedHost | undefined,
  signal: AbortSignal,
): Promise<Way['medium']> {
  const played = (await plays?.links(signal))?.get(name);
  if (played !== undefined) return played;
  const interfaces = await readInterfaces(signal);
  const found = interfaces.find((each) => each.name === name);
  if (found === undefined || found.loopback || notCables.has(found.kind ?? '')) return 'other';
  return (await readWireless([found])).has(name) ? 'wifi' : 'ethernet';
}
