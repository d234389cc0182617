import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../process/run.ts';
import { type Gateway, parseDefaultRoutes, parseNeighbour } from './parse-routes.ts';

const commandLimitMs = 5_000;
/**
 * When to look, ms after a gateway was asked for its hardware address: on a LAN it takes milliseconds, and over Wi-Fi a
 * little more. Few looks, for each starts a program.
 */
const looksMs = [20, 50, 120, 300, 600, 1_000];

/** The gateways of all interfaces, best first, IPv4 before IPv6. */
export async function readGateways(signal: AbortSignal): Promise<Gateway[]> {
  const read = async (family: '-4' | '-6') => {
    const argv = ['ip', family, '-j', 'route', 'show', 'default'];
    return parseDefaultRoutes((await run(argv, { timeoutMs: commandLimitMs, signal })).stdout);
  };
  return (await Promise.all([read('-4'), read('-6')])).flat();
}

/**
 * The hardware address of a neighbour, asked for where the kernel does not know it; undefined when it does not answer
 * within a second. `confirm`: what the kernel remembers does not count, it has to answer now.
 */
export async function resolveNeighbour(
  { address, device }: Gateway,
  confirm: boolean,
  signal: AbortSignal,
): Promise<string | undefined> {
  const look = async () => {
    const argv = ['ip', '-j', 'neigh', 'show', 'to', address, 'dev', device];
    return parseNeighbour((await run(argv, { timeoutMs: commandLimitMs, signal })).stdout);
  };
  for (let looks = 0; ; looks++) {
    const known = await look().catch(undefinedUnlessAborted(signal));
    if (known !== undefined && (known.confirmed || !confirm)) return known.mac;
    const next = looksMs[looks];
    if (next === undefined) return undefined;
    if (looks === 0) {
      // `use` makes the kernel ask as it would for a packet; `probe` asks the known address whether it is still there.
      const how = known === undefined ? ['nud', 'none', 'use'] : ['lladdr', known.mac, 'nud', 'probe'];
      const argv = ['ip', 'neigh', 'replace', address, ...how, 'dev', device];
      await run(argv, { timeoutMs: commandLimitMs, signal }).catch(undefinedUnlessAborted(signal));
    }
    // The neighbour table has no event that Node can hear (netlink), so it is looked at again, for a short while.
    await delay(next - (looksMs[looks - 1] ?? 0), undefined, { signal });
  }
}

/** An interface that went away meanwhile has no neighbours; a host without the right to ask knows what it knows. */
function undefinedUnlessAborted(signal: AbortSignal): () => undefined {
  return () => {
    signal.throwIfAborted();
    return undefined;
  };
}
