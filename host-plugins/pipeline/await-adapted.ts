import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import type { peerMethods } from '../../protocol/peer-methods.ts';
import type { Peers } from '../daemon/handlers.ts';
import type { Emit } from './stage-clock.ts';

type Adapted = z.output<(typeof peerMethods)['await-adapted']['result']>;

/** The slowest guest is adapted by then, ms. */
const adaptLimitMs = 10 * 60_000;
/** A target that was lost, or restarts its wdockd, is asked again for so long and so often, ms. */
const patienceMs = 120_000;
const retryMs = 500;
/** No attempt to connect takes so long: the call was there before it was lost, ms. */
const connectedMs = 20_000;

/**
 * Waits for the target's word that the guest is adapted. The VM is the target's by now, whatever becomes of the
 * link: when no word comes, the outcome says so, and nothing is undone.
 */
export async function awaitAdapted(
  peers: Peers,
  target: { readonly id: string; readonly name: string },
  where: { readonly workspace: string; readonly epoch: number },
  emit: Emit,
): Promise<Adapted> {
  const signal = AbortSignal.timeout(adaptLimitMs);
  for (let lostAt: number | undefined; ; ) {
    const askedAt = performance.now();
    try {
      return await peers.call(target.id, 'await-adapted', where, { signal, onProgress: emit });
    } catch (error) {
      const { kind, message } = DockError.from(error);
      const now = performance.now();
      if (lostAt === undefined || now - askedAt > connectedMs) lostAt = now;
      const mayComeBack =
        kind === 'peer-gone' || kind === 'conflict' || kind === 'cancelled' || kind === 'not-found';
      if (!mayComeBack || signal.aborted || now - lostAt > patienceMs) return unknown(target.name, message);
    }
    await delay(retryMs);
  }
}

function unknown(target: string, why: string): Adapted {
  return {
    adaptMs: 0,
    after: null,
    shortfalls: [
      {
        resource: 'agent',
        requested: `word from "${target}" that the guest is adapted`,
        actual: 'none; the workspace is there all the same',
        reason: why,
      },
    ],
    stages: [],
  };
}
