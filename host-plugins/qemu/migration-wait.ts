import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../protocol/dock-error.ts';
import type { Qmp } from '../contract/virtual-machine.ts';
import { interruption } from '../system/process/interruption.ts';
import { type MigrationInfo, type MigrationStatus, queryMigration, queryStatus } from './qmp-schema.ts';

/**
 * QEMU sends no event while memory moves, only at the end of each pass; so progress is asked for this often,
 * ms.
 */
const progressEveryMs = 500;

/**
 * Waits until the migration is in one of these states, `failed` or `cancelled`; returns what QEMU then says.
 * State, not events, is what is trusted: a daemon that was restarted in the middle has missed the events.
 */
export async function untilMigration(
  qmp: Qmp,
  wanted: readonly MigrationStatus[],
  onProgress: (info: MigrationInfo) => void,
  signal: AbortSignal,
): Promise<MigrationInfo> {
  using stop = abortable(signal);
  // Opened before the state is asked for: what changes in between is heard.
  const events = qmp.events(stop.signal, 'MIGRATION')[Symbol.asyncIterator]();
  let heard = events.next();
  heard.catch(() => {}); // asked for again by whoever waits next
  for (;;) {
    const info = await queryMigration(qmp, signal);
    if (wanted.includes(info.status) || info.status === 'failed' || info.status === 'cancelled') return info;
    onProgress(info);
    const tick = new AbortController();
    try {
      const one = await Promise.race([
        heard,
        delay(progressEveryMs, 'tick' as const, { signal: AbortSignal.any([signal, tick.signal]) }),
      ]);
      if (one !== 'tick') {
        heard = events.next();
        heard.catch(() => {});
      }
    } catch (error) {
      if (signal.aborted) throw interruption(signal, `the migration to be ${wanted.join(' or ')}`);
      throw error;
    } finally {
      tick.abort();
    }
    if (signal.aborted) throw interruption(signal, `the migration to be ${wanted.join(' or ')}`);
  }
}

/**
 * QEMU says `failed` a moment before it lets the VM run again, and not always with an event (a VM that was
 * paused before stays so), and `completed` a moment before the VM is `postmigrate`: looked at this often, ms.
 */
const settleEveryMs = 5;

/**
 * Resolves when QEMU has put the VM back to what it was before a move that failed or was cancelled, or has made it
 * `postmigrate` after one that completed. A `cont` before that is taken, and QEMU then changes the state under it.
 */
export async function untilSettled(qmp: Qmp, signal: AbortSignal): Promise<void> {
  while ((await queryStatus(qmp, signal)).status === 'finish-migrate') {
    await delay(settleEveryMs, undefined, { signal }).catch(() => {
      throw interruption(signal, 'QEMU to be done with the migration');
    });
  }
}

/**
 * Why a migration did not get where it should, in QEMU's words, and in those of its log where they say more.
 */
export function migrationFailure(what: string, info: MigrationInfo, log = ''): DockError {
  if (info.status === 'cancelled') return new DockError('cancelled', `${what} was cancelled`);
  const reason = info['error-desc'] ?? `QEMU says only "${info.status}"`;
  return new DockError('qemu-refused', `${what} failed: ${reason}${log === '' ? '' : `\n${log}`}`, {
    detail: { desc: reason },
  });
}

/** A signal that ends with its block, or earlier with `outer`. */
function abortable(outer: AbortSignal): Disposable & { readonly signal: AbortSignal } {
  const own = new AbortController();
  return {
    signal: AbortSignal.any([outer, own.signal]),
    [Symbol.dispose]: () => own.abort(),
  };
}
