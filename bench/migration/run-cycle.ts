import { setTimeout as sleep } from 'node:timers/promises';
import { DockError } from '../../protocol/dock-error.ts';
import type { Progress } from '../../test/lab/cache/cached-build.ts';
import type { LabGuest } from '../../test/lab/lab-guest.ts';
import { GapProbe } from '../../test/lab/network/gap-probe.ts';
import { VerifyWatch } from '../../test/lab/verify/verify-watch.ts';
import { calmMs } from '../measure-run.ts';
import type { MeasuredTrip } from './figures.ts';
import { measureLeg } from './measure-leg.ts';
import type { Cycle } from './plan-cycles.ts';
import { StockPair } from './stock-pair.ts';
import type { Place, Traveller } from './traveller.ts';
import { WdockPair } from './wdock-pair.ts';

/** A guest that writes faster than the link carries is never sent by QEMU alone, ms. */
export const tripLimitMs = 6 * 60_000;
/** Of the guest's last check of all its memory and its disk, ms. */
const verdictLimitMs = 120_000;
const minuteMs = 60_000;

/** What iperf3 gets through on a link, bytes a second, by the device that receives. */
export type LinkRates = Readonly<Record<Place, number>>;

/**
 * All trips of a cycle, handed over one by one. What the guest has in memory and on its disk is checked all the time,
 * and once more at the end.
 * @throws DockError `conflict` where the guest was damaged; `timeout` where a trip did not end
 */
export async function runCycle(
  cycle: Cycle,
  guest: LabGuest,
  rates: LinkRates,
  onTrip: (measured: MeasuredTrip) => void,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { repetition, link, load, system, legs } = cycle;
  await using traveller = await start(cycle, guest, progress, signal);
  const { network, address } = traveller;
  await using probe = await GapProbe.start(network.client, address, limit(signal, 60_000));
  await using watch = await VerifyWatch.open(network.client, address, 500, limit(signal, 60_000));
  await sleep(calmMs, undefined, { signal });
  let place: Place = 'mid';
  let doneBefore = watch.latest.load?.done ?? 0;
  for (const { trip, work } of legs) {
    if (work !== undefined) {
      await watch.load(load, work.speed, limit(signal, 30_000));
      await sleep((work.minutes * minuteMs) / work.speed, undefined, { signal });
      await watch.load(load, 1, limit(signal, 30_000));
    }
    if (trip === 'warmed') await traveller.warmUp?.(limit(signal, tripLimitMs));
    place = place === 'mid' ? 'pc' : 'mid';
    const figures = await measureLeg(traveller, place, probe, rates[place], limit(signal, tripLimitMs));
    const { wireBytes, totalMs, downtimeMs, networkGapMs, linkUse, cpuMs, ...rest } = figures;
    const done = watch.latest.load?.done ?? 0;
    onTrip({
      run: { load, link, system, trip, wireBytes, totalMs, downtimeMs, networkGapMs, linkUse, cpuMs },
      details: { repetition, workMinutes: work?.minutes ?? null, loadDone: done - doneBefore, ...rest },
    });
    doneBefore = done;
  }
  const { verdict, memory, disk } = await watch.verdict(limit(signal, verdictLimitMs));
  if (verdict === 'intact') return;
  throw new DockError('conflict', `the guest was damaged: ${JSON.stringify({ memory, disk })}`);
}

function start(
  { system, link, baseImage }: Cycle,
  guest: LabGuest,
  progress: Progress,
  signal: AbortSignal,
): Promise<Traveller> {
  switch (system) {
    case 'stock':
      return StockPair.start(guest, link, 'defaults', signal);
    case 'stock-best':
      return StockPair.start(guest, link, 'best', signal);
    case 'wdock':
      return WdockPair.start(guest, { link, baseImage }, progress, signal);
  }
}

function limit(signal: AbortSignal, ms: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(ms)]);
}
