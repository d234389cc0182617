import { setTimeout as sleep } from 'node:timers/promises';
import { DockError } from '../../protocol/dock-error.ts';
import type { TripOutcome } from '../../protocol/outcome.ts';
import type { ProgressEvent } from '../../protocol/progress-event.ts';
import type { Progress } from '../../test/lab/cache/cached-build.ts';
import type { LabGuest } from '../../test/lab/lab-guest.ts';
import type { GuestLoad } from '../../test/lab/loads/load-names.ts';
import type { LabNetwork } from '../../test/lab/network/lab-network.ts';
import type { LinkShapeName } from '../../test/lab/network/link-shape.ts';
import { VerifyWatch } from '../../test/lab/verify/verify-watch.ts';
import { checkGuest } from './check-guest.ts';
import { type CutMoment, type CutTrip, cutMoments, judgeCut } from './judge-cut.ts';
import { prepareLoad } from './prepare-load.ts';
import type { Place } from './traveller.ts';
import { WdockPair } from './wdock-pair.ts';

/** How long no device reaches the other one, ms. */
const cutMs = 30_000;
/** For so long one of two links is lost at a time, and comes back, ms. */
const looseMs = 60_000;
/** A link is away for so long, and then there for so long, at the most, ms. */
const mostAwayMs = 5_000;
const mostThereMs = 3_000;
/** Of one trip with its cut, ms. */
const limitMs = 6 * 60_000;

export interface CutsResult {
  readonly trips: readonly CutTrip[];
  readonly checkedPages: number;
  readonly diskRecords: number;
  /** What is not as it should be, in words; empty where all is. */
  readonly failures: readonly string[];
}

interface CutsChoice {
  readonly link: LinkShapeName;
  readonly load: GuestLoad;
}

/**
 * The guest there and back with all links cut for half a minute in each trip, every time at another moment of it; and
 * then, over two links, for a minute in which one of them is lost at random. It checks its memory and its disk meanwhile.
 * Ends at the first trip that fails.
 */
export async function moveThroughCuts(
  guest: LabGuest,
  choice: CutsChoice,
  progress: Progress,
  signal: AbortSignal,
): Promise<CutsResult> {
  const ready = await prepareLoad(guest, choice.load, progress, signal);
  const all = await travel(ready, choice, { cable: false }, allCut, progress, signal);
  if (all.failures.length > 0) return all;
  const one = await travel(ready, choice, { cable: true }, oneOfTwoCut, progress, signal);
  return {
    trips: [...all.trips, ...one.trips],
    checkedPages: all.checkedPages + one.checkedPages,
    diskRecords: all.diskRecords + one.diskRecords,
    failures: one.failures,
  };
}

/** One trip, through cuts that are its own. */
interface Journey {
  readonly pair: WdockPair;
  readonly go: (to: Place, onEvent: (event: ProgressEvent) => void) => Promise<TripOutcome>;
  /** What became of it; throws what the guest found wrong. */
  readonly arrived: (trip: Omit<CutTrip, 'longestWriteMs'>) => Promise<void>;
  readonly signal: AbortSignal;
}

async function travel(
  guest: LabGuest,
  { link }: CutsChoice,
  { cable }: { readonly cable: boolean },
  journeys: (journey: Journey) => Promise<void>,
  progress: Progress,
  signal: AbortSignal,
): Promise<CutsResult> {
  const limit = (ms: number) => AbortSignal.any([signal, AbortSignal.timeout(ms)]);
  await using pair = await WdockPair.start(guest, { link, baseImage: false, cable }, progress, signal);
  await using watch = await VerifyWatch.open(pair.network.client, pair.address, 500, limit(60_000));
  const { run } = watch.latest;
  const trips: CutTrip[] = [];
  const failures: string[] = [];
  try {
    await journeys({
      pair,
      signal,
      go: (to, onEvent) => pair.trip(to, onEvent, limit(limitMs)),
      arrived: async (trip) => {
        const { memory, disk } = await watch.nextReport(limit(60_000));
        const arrived = { ...trip, longestWriteMs: Math.round(disk.longestWriteMs) };
        trips.push(arrived);
        progress(renderTrip(arrived));
        failures.push(...judgeCut(arrived));
        const wrong = memory.mismatches + disk.mismatches + disk.ioErrors;
        if (wrong > 0) throw new Error(`the guest found ${JSON.stringify({ memory, disk })}`);
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    failures.push(`after ${trips.length} trips: ${DockError.from(error).message}`);
  }
  const { folder } = pair;
  const { last, failures: found } = await checkGuest(watch, { run, folder }, limit(120_000));
  failures.push(...found);
  return { trips, checkedPages: last.memory.checkedPages, diskRecords: last.disk.records, failures };
}

/** A trip there and back as they are, and one with each moment. */
async function allCut({ pair, go, arrived, signal }: Journey): Promise<void> {
  for (const moment of ['never', ...cutMoments] as const) {
    for (const to of ['pc', 'mid'] as const) {
      const cut = new LinkCut(pair.network, moment, signal);
      const outcome = await go(to, cut.take);
      const cutForMs = await cut.ended();
      await arrived({ ...figuresOf(to, outcome), moment, cuts: moment === 'never' ? 0 : 1, cutMs: cutForMs });
    }
  }
}

async function oneOfTwoCut({ pair, go, arrived, signal }: Journey): Promise<void> {
  let loose: LooseLinks | undefined;
  const over = new AbortController();
  // From the moment in which the first trip is under way: whether a device can be found at all is another question.
  const begin = (event: ProgressEvent): void => {
    if (loose !== undefined || event.kind !== 'stage-done') return;
    loose = new LooseLinks(pair.network, AbortSignal.any([signal, over.signal]));
    setTimeout(() => over.abort(), looseMs).unref();
  };
  let to: Place = 'pc';
  while (!over.signal.aborted) {
    const before = loose?.cuts ?? 0;
    const outcome = await go(to, begin);
    if (loose === undefined) throw new DockError('conflict', 'the trip ended without a stage');
    const { cuts, longestMs }: LooseLinks = loose;
    await arrived({ ...figuresOf(to, outcome), moment: 'one of two', cuts: cuts - before, cutMs: longestMs });
    to = to === 'pc' ? 'mid' : 'pc';
  }
  await loose?.ended();
}

function figuresOf(to: Place, { totalMs, downtimeMs, wireBytes, resentBytes }: TripOutcome) {
  return { to, totalMs: Math.round(totalMs), downtimeMs, wireBytes, resentBytes: resentBytes ?? 0 };
}

/** Cuts the MID off once, when the moment of a trip comes. */
class LinkCut {
  readonly #network: LabNetwork;
  readonly #moment: CutMoment | 'never';
  readonly #signal: AbortSignal;
  #cut: Promise<number> | undefined;

  constructor(network: LabNetwork, moment: CutMoment | 'never', signal: AbortSignal) {
    this.#network = network;
    this.#moment = moment;
    this.#signal = signal;
  }

  readonly take = (event: ProgressEvent): void => {
    if (this.#cut !== undefined || !isMoment(this.#moment, event)) return;
    this.#cut = this.#run();
    // Whoever waits for the end of the trip hears of it then.
    this.#cut.catch(() => undefined);
  };

  /** How long it was, ms; 0 where there was to be none. @throws DockError `conflict` where the moment did not come */
  async ended(): Promise<number> {
    if (this.#moment === 'never') return 0;
    if (this.#cut === undefined)
      throw new DockError('conflict', `the trip ended without the moment "${this.#moment}"`);
    return await this.#cut;
  }

  async #run(): Promise<number> {
    const began = performance.now();
    await this.#network.cutLink('mid', this.#signal);
    await sleep(cutMs, undefined, { signal: this.#signal });
    await this.#network.restoreLink('mid', this.#signal);
    return Math.round(performance.now() - began);
  }
}

function isMoment(moment: CutMoment | 'never', event: ProgressEvent): boolean {
  if (moment === 'never') return false;
  if (moment === 'switch-over') return event.kind === 'stage-started' && event.stage === 'hand-over';
  const share = Number.parseInt(moment, 10) / 100;
  return event.kind === 'stage-progress' && event.stage === 'transfer' && (event.fraction ?? 0) >= share;
}

/** Loses one of the two links at a time, at random, until the signal says that it is enough; then both are there. */
class LooseLinks {
  readonly #network: LabNetwork;
  readonly #over: AbortSignal;
  readonly #running: Promise<void>;
  cuts = 0;
  longestMs = 0;

  constructor(network: LabNetwork, over: AbortSignal) {
    this.#network = network;
    this.#over = over;
    this.#running = this.#run();
    this.#running.catch(() => undefined);
  }

  /** @throws what went wrong with cutting them */
  async ended(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const patience = AbortSignal.timeout(2 * looseMs);
    while (!this.#over.aborted) {
      const [cut, restore] =
        Math.random() < 0.5
          ? ([
              () => this.#network.cutLink('mid', patience),
              () => this.#network.restoreLink('mid', patience),
            ] as const)
          : ([() => this.#network.cutCable(patience), () => this.#network.restoreCable(patience)] as const);
      const began = performance.now();
      await cut();
      this.cuts++;
      await this.#pause(mostAwayMs);
      await restore();
      this.longestMs = Math.max(this.longestMs, Math.round(performance.now() - began));
      await this.#pause(mostThereMs);
    }
  }

  async #pause(mostMs: number): Promise<void> {
    await sleep(Math.random() * mostMs, undefined, { signal: this.#over }).catch(() => undefined);
  }
}

export function renderCuts({ trips, checkedPages, diskRecords, failures }: CutsResult): string {
  return [
    ...trips.map(renderTrip),
    `memory: ${checkedPages} pages compared; disk: ${diskRecords} records`,
    ...failures.map((failure) => `not as it should be: ${failure}`),
  ].join('\n');
}

function renderTrip(trip: CutTrip): string {
  const { to, moment, cuts, totalMs, downtimeMs, wireBytes, resentBytes, longestWriteMs } = trip;
  const names: Partial<Record<typeof moment, string>> = {
    never: 'no cut',
    'one of two': `one of two links, ${cuts} cuts`,
  };
  const what = names[moment] ?? `at ${moment}`;
  return (
    `to the ${to.padEnd(3)}  ${what.padEnd(27)}  ${seconds(totalMs)} s in all, ${seconds(downtimeMs ?? 0)} s of them still; ` +
    `${megabytes(wireBytes)} MB, ${megabytes(resentBytes)} MB once more; longest write to disk so far ${seconds(longestWriteMs)} s`
  );
}

const seconds = (ms: number) => (ms / 1000).toFixed(1);
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
