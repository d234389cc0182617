import { once } from 'node:events';
import { join } from 'node:path';
import { z } from 'zod';
import type { NetworkNamespace } from '../network/network-namespace.ts';
import { askPeer } from '../traffic/ask-peer.ts';

const program = join(import.meta.dirname, 'services-main.ts');

/** Starts services on every address of a host, on these TCP and UDP ports; they end with the namespace. */
export async function startServices(
  host: NetworkNamespace,
  ports: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const child = host.spawn([process.execPath, program, ...ports.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data', { signal });
}

const Addresses = z.array(
  z.object({
    ifname: z.string().optional(),
    addr_info: z.array(z.object({ local: z.string().optional(), scope: z.string().optional() })).default([]),
  }),
);

/**
 * Every address by which the guest could mean its host: all global ones, and the link-local ones of what the guest's
 * card leads to.
 * @param guestCard the guest's name of its card, which a link-local address is nothing without
 */
export async function hostAddresses(
  host: NetworkNamespace,
  guestCard: string,
  signal: AbortSignal,
): Promise<string[]> {
  const shown = Addresses.parse(JSON.parse(await host.run(['ip', '-json', 'address', 'show'], signal)));
  return shown.flatMap(({ addr_info: all }) =>
    all.flatMap(({ local, scope }) => {
      if (local === undefined || scope === 'host') return [];
      return scope === 'link' && local.includes(':') ? [`${local}%${guestCard}`] : [local];
    }),
  );
}

/** The TCP ports that anything listens on at a host. */
export async function listeningPorts(host: NetworkNamespace, signal: AbortSignal): Promise<number[]> {
  const shown = await host.run(['ss', '-Htln'], signal);
  const ports = shown.split('\n').map((line) => Number(/:(\d+)\s/.exec(line)?.[1]));
  return [...new Set(ports.filter((port) => port > 0))].sort((left, right) => left - right);
}

export interface ReachScan {
  /** Who asks the guest, and at which address of it. */
  readonly from: NetworkNamespace;
  readonly guest: string;
  /** Where the guest looks. */
  readonly addresses: readonly string[];
  readonly tcpPorts: readonly number[];
  readonly udpPorts: readonly number[];
}

/** A packet that the host drops is answered by nobody; one that it takes is, at once. */
const answerLimitMs = 1_000;

/** What the guest reaches there, as `tcp/22 at 10.77.0.11`. */
export async function scanFromGuest(scan: ReachScan, signal: AbortSignal): Promise<string[]> {
  const { from, guest, tcpPorts, udpPorts } = scan;
  const reached: string[] = [];
  for (const address of scan.addresses) {
    const limits = { address, timeoutMs: answerLimitMs };
    const ask = <Request extends Parameters<typeof askPeer>[2]>(request: Request) =>
      askPeer(from, guest, request, signal);
    const [{ open }, ...fates] = await Promise.all([
      ask({ kind: 'scan', ...limits, ports: tcpPorts }),
      ...udpPorts.map((port) => ask({ kind: 'datagram', ...limits, port })),
    ]);
    reached.push(...open.map((port) => `tcp/${port} at ${address}`));
    const answered = udpPorts.filter((_, at) => fates[at]?.fate === 'answered');
    reached.push(...answered.map((port) => `udp/${port} at ${address}`));
  }
  return reached;
}
