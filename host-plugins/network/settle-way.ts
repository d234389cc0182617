import { DockError } from '../../protocol/dock-error.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import type { HostBridges } from '../system/bridge/host-bridges.ts';
import { describeWay, type Way } from './plan.ts';

/**
 * A way over a bridge that there is. One that was still to be made when the way was planned is made now (`make`), while
 * the VM does not need it yet. Where that fails the guest is routed through the interface, which costs it nothing on the
 * LAN; the reason is a shortfall.
 */
export async function settleWay(
  way: Way,
  bridges: Pick<HostBridges, 'ensure' | 'find'>,
  make: boolean,
  signal: AbortSignal,
): Promise<{ way: Way; shortfalls: Shortfall[] }> {
  if (way.mode !== 'bridged' || way.over === undefined) return { way, shortfalls: [] };
  const routed: Way = { mode: 'routed', uplink: way.over };
  try {
    const bridge = make ? await bridges.ensure(way.over, signal) : await bridges.find(way.over, signal);
    return { way: bridge === undefined ? routed : { mode: 'bridged', bridge }, shortfalls: [] };
  } catch (error) {
    signal.throwIfAborted();
    const reason = `no bridge could be made over ${way.over}: ${DockError.from(error).message}`;
    const shortfall = {
      resource: 'network',
      requested: describeWay(way),
      actual: describeWay(routed),
      reason,
    } as const;
    return { way: routed, shortfalls: [shortfall] };
  }
}
