import { DockError } from '../../protocol/dock-error.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import type { HostBridges } from '../system/bridge/host-bridges.ts';
import type { HostNetwork } from '../system/network/host-network.ts';
import { describeWay, type Way } from './plan.ts';

/**
 * A way over a bridge that there is, or by a port that there can be. A bridge that was still to be made when the way was
 * planned is made now (`make`), while the VM does not need it yet. Where it fails the guest is routed through the interface,
 * which costs it nothing on the LAN; the reason is a shortfall.
 */
export async function settleWay(
  way: Way,
  bridges: Pick<HostBridges, 'ensure' | 'find'>,
  network: Pick<HostNetwork, 'besideObstacle'>,
  make: boolean,
  signal: AbortSignal,
): Promise<{ way: Way; shortfalls: Shortfall[] }> {
  if (way.mode === 'beside') {
    const obstacle = await network.besideObstacle(way.link, signal);
    if (obstacle === undefined) return { way, shortfalls: [] };
    const reason = `${way.link} can have no port for a guest: ${obstacle}`;
    return routedInstead(way, way.link, make ? [reason] : []);
  }
  if (way.mode !== 'bridged' || way.over === undefined) return { way, shortfalls: [] };
  try {
    const bridge = make ? await bridges.ensure(way.over, signal) : await bridges.find(way.over, signal);
    if (bridge === undefined) return routedInstead(way, way.over, []);
    return { way: { mode: 'bridged', bridge }, shortfalls: [] };
  } catch (error) {
    signal.throwIfAborted();
    const reason = `no bridge could be made over ${way.over}: ${DockError.from(error).message}`;
    return routedInstead(way, way.over, [reason]);
  }
}

function routedInstead(wished: Way, uplink: string, reasons: readonly string[]) {
  const way: Way = { mode: 'routed', uplink };
  const told = { resource: 'network', requested: describeWay(wished), actual: describeWay(way) } as const;
  return { way, shortfalls: reasons.map((reason) => ({ ...told, reason })) };
}
