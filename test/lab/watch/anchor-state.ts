import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import type { NetworkNamespace } from '../network/network-namespace.ts';

const pollMs = 200;

/**
 * The guest's addresses that a device it has left still routes to it: those that an anchor keeps alive there. Read from
 * the kernel, and not asked of wdockd.
 */
export async function keptAddresses(
  device: NetworkNamespace,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const destinations = new Set<string>();
  for (const family of ['-4', '-6']) {
    const shown = await device.run(['ip', '-json', family, 'route', 'show', 'table', 'all'], signal);
    for (const { dst } of JSON.parse(shown) as { dst?: string }[])
      if (dst !== undefined) destinations.add(dst);
  }
  return addresses.filter((address) => destinations.has(address));
}

/**
 * Waits until a device that the guest has left keeps none of these addresses of it alive any more, and returns after how
 * long, ms.
 * @throws DockError `timeout` or `cancelled` by the signal, with what it still keeps
 */
export async function waitForAnchorToGo(
  device: NetworkNamespace,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const beganMs = performance.now();
  for (;;) {
    const kept = await keptAddresses(device, addresses, signal);
    if (kept.length === 0) return performance.now() - beganMs;
    try {
      // A route that goes is told by nobody whom a test may ask.
      await delay(pollMs, undefined, { signal });
    } catch (error) {
      const { kind } = DockError.from(signal.reason, 'cancelled');
      throw new DockError(kind, `${kept.join(' and ')} are still kept alive`, { cause: error });
    }
  }
}
