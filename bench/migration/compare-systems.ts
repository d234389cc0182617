import { DockError } from '../../protocol/dock-error.ts';
import type { Progress } from '../../test/lab/cache/cached-build.ts';
import type { LabGuest } from '../../test/lab/lab-guest.ts';
import { LabNetwork } from '../../test/lab/network/lab-network.ts';
import type { LinkShapeName } from '../../test/lab/network/link-shape.ts';
import { measureRate } from '../../test/lab/network/measure-rate.ts';
import type { MeasuredTrip } from './figures.ts';
import type { MeasuredOn, Unfinished } from './migration-result.ts';
import { type CycleChoice, planCycles } from './plan-cycles.ts';
import { prepareLoad } from './prepare-load.ts';
import { type LinkRates, runCycle, tripLimitMs } from './run-cycle.ts';

export interface Comparison {
  readonly trips: readonly MeasuredTrip[];
  readonly linkMbit: MeasuredOn['linkMbit'];
  readonly unfinished: readonly Unfinished[];
}

/** Runs every cycle; one that cannot be measured is said, and the others go on. */
export async function compareSystems(
  guest: LabGuest,
  choice: CycleChoice,
  progress: Progress,
  signal: AbortSignal,
): Promise<Comparison> {
  const trips: MeasuredTrip[] = [];
  const linkMbit: Comparison['linkMbit'] = [];
  const unfinished: Unfinished[] = [];
  const cycles = planCycles(choice);
  let rates:
    | { readonly link: LinkShapeName; readonly repetition: number; readonly found: LinkRates }
    | undefined;
  for (const [index, cycle] of cycles.entries()) {
    const { link, load, system, repetition } = cycle;
    const what = `run ${repetition}, ${link}, ${load}, ${system}`;
    const ready = await prepareLoad(guest, load, progress, signal);
    if (rates?.link !== link || rates.repetition !== repetition) {
      rates = { link, repetition, found: await measureLink(link, signal) };
      const mbit = { link, toPc: toMbit(rates.found.pc), toMid: toMbit(rates.found.mid) };
      linkMbit.push(mbit);
      progress(`${link}: iperf3 gets ${mbit.toPc} Mbit/s to the PC, ${mbit.toMid} Mbit/s to the MID`);
    }
    progress(`${what} (${index + 1} of ${cycles.length})`);
    const onTrip = (measured: MeasuredTrip): void => {
      trips.push(measured);
      progress(describeTrip(measured));
    };
    try {
      await runCycle(cycle, ready, rates.found, onTrip, () => undefined, signal);
    } catch (error) {
      signal.throwIfAborted();
      const { kind, message } = DockError.from(error instanceof SuppressedError ? error.suppressed : error);
      const reason = kind === 'timeout' ? `no end within ${tripLimitMs / 60_000} min (${message})` : message;
      unfinished.push({ what, kind, reason });
      progress(`${what}: ${reason}`);
    }
  }
  return { trips, linkMbit, unfinished };
}

/** @returns bytes a second by the device that receives */
async function measureLink(link: LinkShapeName, signal: AbortSignal): Promise<LinkRates> {
  await using network = await LabNetwork.create({ midLink: link, pcLink: link }, signal);
  const { mid, pc, addresses } = network;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(30_000)]);
  return {
    pc: await measureRate(mid, pc, addresses.pc, limited),
    mid: await measureRate(pc, mid, addresses.mid, limited),
  };
}

function toMbit(bytesPerS: number): number {
  return Math.round((bytesPerS * 8) / 1e4) / 100;
}

function describeTrip({ run, details }: MeasuredTrip): string {
  const { trip, totalMs, wireBytes, downtimeMs, networkGapMs, linkUse } = run;
  const parts = [
    `${(totalMs / 1000).toFixed(1)} s`,
    `${(wireBytes / 1e6).toFixed(1)} MB`,
    `downtime ${downtimeMs === null ? 'unknown' : `${Math.round(downtimeMs)} ms`}`,
    `silence ${networkGapMs} ms`,
    `${linkUse.toFixed(0)} % of the link`,
    `load of this machine ${details.machineLoad.toFixed(1)}`,
    ...(details.loadDone > 0 ? [`${details.loadDone} done by the load`] : []),
  ];
  return `  ${trip}: ${parts.join(', ')}`;
}
