import { z } from 'zod';
import { DockError } from '../../../protocol/dock-error.ts';

/** The way out of a network: the address that packets for everywhere else are handed to. */
export interface Gateway {
  readonly address: string;
  /** The interface that it is reached through. */
  readonly device: string;
}

const RouteReply = z.array(
  z.object({
    dst: z.string().optional(),
    gateway: z.string().optional(),
    dev: z.string().optional(),
    metric: z.int().default(0),
    flags: z.array(z.string()).default([]),
    nexthops: z.array(z.object({ gateway: z.string().optional(), dev: z.string().optional() })).default([]),
  }),
);

/**
 * The gateways in the output of `ip -j route show default` (`-6` for IPv6), best first. Routes without one (a tunnel's)
 * and of dead links are left out. Throws `protocol` for an output that is none.
 */
export function parseDefaultRoutes(json: string): Gateway[] {
  const routes = RouteReply.safeParse(parseJson(json));
  if (!routes.success) {
    throw new DockError('protocol', `the output of "ip -j route" is not understood: ${routes.error.message}`);
  }
  return routes.data
    .filter(({ flags }) => !flags.some((flag) => flag === 'dead' || flag === 'linkdown'))
    .sort((a, b) => a.metric - b.metric)
    .flatMap(({ gateway, dev, nexthops }) => [{ gateway, dev }, ...nexthops])
    .flatMap(({ gateway, dev }) =>
      gateway === undefined || dev === undefined ? [] : [{ address: gateway, device: dev }],
    );
}

const NeighbourReply = z.array(
  z.object({ lladdr: z.string().optional(), state: z.array(z.string()).default([]) }),
);

/** The hardware address in the output of `ip -j neigh show to ADDRESS dev DEVICE`, while the kernel believes in it. */
export function parseNeighbour(json: string): { mac: string; confirmed: boolean } | undefined {
  const [entry] = NeighbourReply.catch([]).parse(parseJson(json));
  if (entry?.lladdr === undefined || entry.state.includes('FAILED')) return undefined;
  return {
    mac: entry.lladdr.toLowerCase(),
    confirmed: entry.state.includes('REACHABLE') || entry.state.includes('PERMANENT'),
  };
}

function parseJson(json: string): unknown {
  try {
    return json.trim() === '' ? [] : JSON.parse(json);
  } catch {
    return undefined;
  }
}
