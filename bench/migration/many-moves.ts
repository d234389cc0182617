import { DockError } from '../../protocol/dock-error.ts';
import type { Progress } from '../../test/lab/cache/cached-build.ts';
import type { LabGuest } from '../../test/lab/lab-guest.ts';
import type { GuestLoad } from '../../test/lab/loads/load-names.ts';
import type { LinkShapeName } from '../../test/lab/network/link-shape.ts';
import { VerifyWatch } from '../../test/lab/verify/verify-watch.ts';
import { type Spread, spreadOf } from '../spread.ts';
import { checkGuest } from './check-guest.ts';
import { prepareLoad } from './prepare-load.ts';
import { WdockPair } from './wdock-pair.ts';

/** Of one trip, ms. */
const limitMs = 6 * 60_000;

export interface ManyMoves {
  readonly asked: number;
  readonly moves: readonly { readonly to: string; readonly totalMs: number; readonly ownBytes: number }[];
  readonly checkedPages: number;
  readonly memoryMismatches: number;
  readonly diskRecords: number;
  readonly diskMismatches: number;
  readonly ioErrors: number;
  /** What is not as it should be, in words; empty where all is. */
  readonly failures: readonly string[];
}

/**
 * The guest back and forth, again and again, while it checks what it has in memory and on its disk over one TCP
 * connection; at the end it checks everything once more. Ends at the first move that fails.
 */
export async function moveManyTimes(
  guest: LabGuest,
  { link, load, moves: asked }: { link: LinkShapeName; load: GuestLoad; moves: number },
  progress: Progress,
  signal: AbortSignal,
): Promise<ManyMoves> {
  const limit = (ms: number) => AbortSignal.any([signal, AbortSignal.timeout(ms)]);
  const ready = await prepareLoad(guest, load, progress, signal);
  await using pair = await WdockPair.start(ready, { link, baseImage: false }, progress, signal);
  await using watch = await VerifyWatch.open(pair.network.client, pair.address, 500, limit(60_000));
  const { run } = watch.latest;
  const moves: ManyMoves['moves'][number][] = [];
  const failures: string[] = [];
  for (let move = 1; move <= asked && failures.length === 0; move++) {
    const to = move % 2 === 1 ? 'pc' : 'mid';
    try {
      const { totalMs, ownBytes } = await pair.move(to, () => undefined, limit(limitMs));
      const { memory, disk } = await watch.nextReport(limit(60_000));
      moves.push({ to, totalMs, ownBytes });
      const wrong = memory.mismatches + disk.mismatches + disk.ioErrors;
      progress(
        `move ${move} of ${asked}, to the ${to}: ${(totalMs / 1000).toFixed(1)} s, ${(ownBytes / 1e6).toFixed(1)} MB; ` +
          `${memory.checkedPages} pages and ${disk.records} records checked, ${wrong} wrong`,
      );
      if (wrong > 0) failures.push(`after move ${move} the guest found ${JSON.stringify({ memory, disk })}`);
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`move ${move}, to the ${to}: ${DockError.from(error).message}`);
    }
  }
  const { folder } = pair;
  const { last, failures: found } = await checkGuest(watch, { run, folder }, limit(120_000));
  failures.push(...found);
  return {
    asked,
    moves,
    ...{ checkedPages: last.memory.checkedPages, memoryMismatches: last.memory.mismatches },
    ...{ diskRecords: last.disk.records, diskMismatches: last.disk.mismatches, ioErrors: last.disk.ioErrors },
    failures,
  };
}

export function renderManyMoves(result: ManyMoves): string {
  const { moves, asked, checkedPages, memoryMismatches, diskRecords, diskMismatches, ioErrors } = result;
  const times = (to: string) => moves.filter((move) => move.to === to).map(({ totalMs }) => totalMs / 1000);
  const ways = [
    ['to the PC', times('pc')],
    ['to the MID', times('mid')],
  ] as const;
  return [
    `${moves.length} of ${asked} moves in a row`,
    ...ways.flatMap(([way, values]) =>
      values.length === 0 ? [] : [`  ${way}: ${seconds(spreadOf(values))}`],
    ),
    `memory: ${checkedPages} pages compared, ${memoryMismatches} mismatches`,
    `disk: ${diskRecords} records, ${diskMismatches} mismatches, ${ioErrors} I/O errors`,
    ...result.failures.map((failure) => `not as it should be: ${failure}`),
  ].join('\n');
}

function seconds({ median, min, max }: Spread): string {
  return `${median.toFixed(1)} s until it runs there (${min.toFixed(1)} to ${max.toFixed(1)})`;
}
