import { z } from 'zod';
import { run } from '../process/run.ts';
import type { KernelAddress, KernelState } from './kernel-state.ts';

const limitMs = 5_000;
/** Nothing that is carried over outlives the lease that it came with, nor this, seconds. */
const longestS = 3_600;
/** Behind every route that NetworkManager makes. */
const metric = 20_000;

const Neighbours = z.array(z.object({ dst: z.string(), lladdr: z.string().optional() }));

/**
 * What an interface has, to be given to the other one, which leads to the same LAN: addresses, the way out, and what it
 * knows of its neighbours. To be read before anything is changed: an interface without a cable forgets its neighbours.
 */
export async function packUp(
  state: KernelState,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<string> {
  const argv = ['ip', '-j', 'neigh', 'show', 'dev', from];
  const { stdout } = await run(argv, { timeoutMs: limitMs, signal }).catch(() => ({ stdout: '' }));
  signal.throwIfAborted();
  const neighbours = Neighbours.catch([]).parse(stdout.trim() === '' ? [] : JSON.parse(stdout));
  return buildCarryOver(state, to) + buildNeighbours(neighbours, to);
}

/**
 * Gives an interface what `packUp` has read of the other one, for the moments until NetworkManager has it all from DHCP
 * and routers: it leaves alone what it has not made, takes over what it would make itself, and the rest ends with its
 * time. What cannot be given comes a little later.
 */
export async function unpack(packed: string, signal: AbortSignal): Promise<void> {
  const argv = ['ip', '-force', '-batch', '-'];
  await run(argv, { input: packed, timeoutMs: limitMs, signal }).catch(() => {});
  signal.throwIfAborted();
}

/** Input for `ip -force -batch -`. */
export function buildCarryOver(state: Pick<KernelState, 'addresses' | 'routes'>, to: string): string {
  const addresses = state.addresses.filter(({ temporary }) => !temporary);
  return [...addresses.flatMap((each) => addressLines(each, to)), ...wayOutLines(state, addresses, to)].join(
    '',
  );
}

/** With the route to its subnet apart: the kernel would make one that is before every other, and leave it behind. */
function addressLines(each: KernelAddress, to: string): string[] {
  const limited = (seconds: number | undefined) => Math.min(seconds ?? longestS, longestS);
  const [validS, preferredS] = [limited(each.validS), limited(each.preferredS)];
  const kind = each.ipv6 ? 'nodad' : each.broadcast === undefined ? '' : `broadcast ${each.broadcast}`;
  const end = each.ipv6 ? `expires ${validS}` : `scope link src ${each.address}`;
  return [
    `address replace ${each.address}/${each.prefix} ${kind} dev ${to} noprefixroute valid_lft ${validS} preferred_lft ${preferredS}\n`,
    `route replace ${subnetOf(each)} dev ${to} metric ${metric} ${end}\n`,
  ];
}

/** The kernel takes an IPv6 subnet by any of its addresses, an IPv4 one only by its first. */
function subnetOf({ address, prefix, ipv6 }: KernelAddress): string {
  if (ipv6) return `${address}/${prefix}`;
  const word = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const first = word - (word % 2 ** (32 - prefix));
  return `${[24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.')}/${prefix}`;
}

/** An IPv4 route goes with the address that it is from, an IPv6 one by itself. */
function wayOutLines(
  state: Pick<KernelState, 'routes'>,
  addresses: readonly KernelAddress[],
  to: string,
): string[] {
  const gateway = (ipv6: boolean) =>
    state.routes
      .filter((route) => route.ipv6 === ipv6)
      .flatMap(({ text }) => /^default via (\S+)/.exec(text)?.[1] ?? [])[0];
  const source = addresses.find(({ ipv6 }) => !ipv6)?.address;
  const [ipv4, ipv6] = [gateway(false), gateway(true)];
  return [
    ...(ipv4 === undefined || source === undefined
      ? []
      : [`route replace 0.0.0.0/0 via ${ipv4} dev ${to} src ${source} metric ${metric}\n`]),
    ...(ipv6 === undefined
      ? []
      : [`route replace ::/0 via ${ipv6} dev ${to} metric ${metric} expires ${longestS}\n`]),
  ];
}

/** A packet that first has to ask where its neighbour is waits a second when nobody can answer yet. */
function buildNeighbours(neighbours: z.infer<typeof Neighbours>, to: string): string {
  return neighbours
    .filter(({ lladdr }) => lladdr !== undefined)
    .map(({ dst, lladdr }) => `neigh replace ${dst} lladdr ${lladdr} nud stale dev ${to}\n`)
    .join('');
}
