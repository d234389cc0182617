import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../test/lab/cache/cached-build.ts';
import type { LabGuest } from '../test/lab/lab-guest.ts';
import { calmMs } from './measure-run.ts';
import { StockPair } from './migration/stock-pair.ts';

/** Start, calm, move and end take about 25 s under emulation, ms. */
const limitMs = 180_000;

interface StockMove {
  /** From the order to move until the guest ran at the other end. */
  readonly totalMs: number;
  /** QEMU's own figure; null where it gave none. */
  readonly downtimeMs: number | null;
}

/** The same settled guest moved by QEMU alone, as it comes, over an unshaped link. */
export async function measureStock(
  guest: LabGuest,
  progress: Progress,
  signal: AbortSignal,
): Promise<StockMove> {
  progress('moving the same guest with QEMU alone');
  const limited = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  await using pair = await StockPair.start(guest, 'unshaped', 'defaults', limited);
  await sleep(calmMs, undefined, { signal: limited });
  return await pair.move('pc', () => undefined, limited);
}
