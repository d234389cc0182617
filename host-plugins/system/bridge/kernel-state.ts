import { z } from 'zod';
import { DockError } from '../../../protocol/dock-error.ts';
import { run } from '../process/run.ts';

/** An address as the kernel has it on an interface; link-local ones, which it makes by itself, are not among them. */
export interface KernelAddress {
  readonly address: string;
  readonly prefix: number;
  readonly ipv6: boolean;
  readonly broadcast?: string | undefined;
  /** Seconds; undefined for ever. An address with an end is renewed by somebody: a DHCP client, or the kernel itself. */
  readonly validS?: number | undefined;
  readonly preferredS?: number | undefined;
  /** An address of RFC 8981, which the kernel changes anyway. */
  readonly temporary: boolean;
}

/** An interface's addresses, and its routes in the words of ip(8) without the interface. */
export interface KernelState {
  readonly index: number;
  readonly mac: string;
  readonly mtu: number;
  readonly master: string | undefined;
  readonly addresses: readonly KernelAddress[];
  readonly routes: readonly KernelRoute[];
}

export interface KernelRoute {
  readonly ipv6: boolean;
  readonly text: string;
}

const limitMs = 5_000;
const forever = 0xffff_ffff;

const AddressReply = z.array(
  z.object({
    ifindex: z.int(),
    address: z.string(),
    mtu: z.int(),
    master: z.string().optional(),
    addr_info: z.array(
      z.object({
        family: z.string(),
        local: z.string(),
        prefixlen: z.int(),
        broadcast: z.string().optional(),
        scope: z.string(),
        temporary: z.boolean().default(false),
        valid_life_time: z.int().default(forever),
        preferred_life_time: z.int().default(forever),
      }),
    ),
  }),
);

/** Undefined where there is no such interface. */
export async function readKernelState(device: string, signal: AbortSignal): Promise<KernelState | undefined> {
  const ask = async (...args: string[]): Promise<string> =>
    (await run(['ip', ...args, 'dev', device], { timeoutMs: limitMs, signal })).stdout;
  try {
    const [addresses, ipv4, ipv6] = await Promise.all([
      ask('-j', 'address', 'show'),
      ask('-4', 'route', 'show', 'table', 'all'),
      ask('-6', 'route', 'show', 'table', 'all').catch(() => ''),
    ]);
    return parseKernelState(addresses, ipv4, ipv6);
  } catch (error) {
    const failure = DockError.from(error);
    if (/does not exist|Cannot find device/.test(failure.message)) return undefined;
    throw failure;
  }
}

export function parseKernelState(addressJson: string, ipv4Routes: string, ipv6Routes: string): KernelState {
  // `ip` prints empty objects for what does not match.
  const shown = JSON.parse(addressJson) as object[];
  const [device] = AddressReply.parse(shown.filter((each) => 'ifname' in each));
  if (device === undefined) throw new DockError('protocol', '"ip -j address" shows no interface');
  return {
    index: device.ifindex,
    mac: device.address.toLowerCase(),
    mtu: device.mtu,
    master: device.master,
    addresses: device.addr_info
      .filter(({ scope }) => scope !== 'link')
      .map((each) => ({
        address: each.local,
        prefix: each.prefixlen,
        ipv6: each.family === 'inet6',
        broadcast: each.broadcast,
        validS: each.valid_life_time === forever ? undefined : each.valid_life_time,
        preferredS: each.preferred_life_time === forever ? undefined : each.preferred_life_time,
        temporary: each.temporary,
      })),
    routes: [...routesIn(ipv4Routes, false), ...routesIn(ipv6Routes, true)],
  };
}

/**
 * The routes that somebody made, best kept in order: the kernel itself makes those to its own addresses and subnets
 * (`proto kernel`, table `local`), and refuses routes of these kinds from others.
 */
function routesIn(text: string, ipv6: boolean): KernelRoute[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/\bproto kernel\b|^(local|broadcast|multicast|anycast)\b/.test(line))
    .map((line) => ({
      ipv6,
      // Marks of the state of the link are none of the route, and an end is shown with a unit that is not read back.
      text: line
        .replace(/\b(linkdown|dead)\b/g, '')
        .replace(/\bexpires (\d+)sec\b/, 'expires $1')
        .replace(/\berror -?\d+\b/, '')
        .replace(/ {2,}/g, ' ')
        .trim(),
    }));
}
