import { once } from 'node:events';
import { HeldProgram } from '../process/held-program.ts';

/** What can change: interfaces and their cables; addresses; routes. */
type Topic = 'link' | 'address' | 'route';

/** Changes come in bursts: one of an interface is several lines, and many interfaces change at once. */
const burstMs = 100;

/**
 * Calls `changed` after the kernel's network changed, once for a burst, until `signal` aborts; then it settles. Node has
 * no netlink sockets: ip(8) has. Throws `missing-dependency` without it, `io` when it ends.
 */
export async function watchKernelNetwork(
  topics: readonly Topic[],
  changed: () => void,
  signal: AbortSignal,
): Promise<void> {
  let burst: NodeJS.Timeout | undefined;
  const onLine = () => {
    burst ??= setTimeout(() => {
      burst = undefined;
      changed();
    }, burstMs);
  };
  await using monitor = await HeldProgram.start(['ip', '-o', 'monitor', ...topics], { onLine }, signal);
  const either = AbortSignal.any([signal, monitor.ended]);
  try {
    if (!either.aborted) await once(either, 'abort');
    if (!signal.aborted) throw monitor.ended.reason;
  } finally {
    clearTimeout(burst);
  }
}
