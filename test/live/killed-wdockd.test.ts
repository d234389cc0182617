import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DockError } from '../../protocol/dock-error.ts';
import type { ProgressEvent } from '../../protocol/progress-event.ts';
import { judgeTrip } from '../lab/demo/judge-trip.ts';
import { Lab, provideGuestWithAgent } from '../lab/lab.ts';
import type { LabHost } from '../lab/lab-host.ts';
import { VerifyWatch } from '../lab/verify/verify-watch.ts';
import { onlyCopy } from './copies.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const tripLimitMs = 300_000;

/** The moment of the kill: the first event for which this holds. */
type Moment = (event: ProgressEvent) => boolean;
const begins =
  (stage: string): Moment =>
  (event) =>
    event.kind === 'stage-started' && event.stage === stage;
/** Something of it has been done, so that there is something to undo. */
const isUnderWay =
  (stage: string): Moment =>
  (event) =>
    event.kind === 'stage-progress' && event.stage === stage && (event.fraction ?? 1) > 0;

/**
 * Kills a device's wdockd at that moment of a trip, and starts it again. How the trip ends is not judged: the one that
 * asked for it may have been killed, or may wait for a target that comes back.
 */
async function killDuring(
  lab: Lab,
  killed: LabHost,
  trip: readonly ['dock', string] | readonly ['undock'],
  moment: Moment,
): Promise<void> {
  let restart: Promise<void> | undefined;
  const failure = await lab.mid
    .trip(
      trip,
      (event) => {
        if (restart !== undefined || !moment(event)) return;
        restart = killed.killDaemon().then(() => killed.startDaemon());
        restart.catch(() => undefined); // awaited below
      },
      within(tripLimitMs),
    )
    .then(
      () => undefined,
      (error: unknown) => DockError.from(error),
    );
  expect(restart, `the moment did not come: ${failure?.message}`).toBeDefined();
  await restart;
}

/** Two devices with a VM, for the tests of one `describe`. */
class KilledPair {
  readonly #pc: 'small-pc' | 'twin';
  readonly #resources = new AsyncDisposableStack();
  #lab: Lab | undefined;
  #load: VerifyWatch | undefined;
  #run: number | undefined;

  constructor(pc: 'small-pc' | 'twin') {
    this.#pc = pc;
    beforeAll(async () => {
      const signal = within(14 * 60_000);
      const guest = await provideGuestWithAgent(() => undefined, signal);
      this.#lab = this.#resources.use(
        await Lab.start(guest, { link: 'unshaped', pc, progress: () => undefined }, signal),
      );
      const { client } = this.#lab.network;
      this.#load = this.#resources.use(
        await VerifyWatch.open(client, this.#lab.guestAddress, 500, within(30_000)),
      );
      this.#run = this.#load.latest.run;
    });
    afterAll(() => this.#resources.disposeAsync());
  }

  get lab(): Lab {
    if (this.#lab === undefined) throw new Error('the lab did not start');
    return this.#lab;
  }

  /** The same guest, over the same TCP connection, with all of its memory and disk as they should be. */
  async expectIntact(): Promise<void> {
    const report = await this.#load?.verdict(within(60_000));
    expect(report?.memory.firstMismatch).toBeUndefined();
    expect(report?.disk.firstProblem).toBeUndefined();
    expect(report?.verdict).toBe('intact');
    expect(report?.run).toBe(this.#run);
  }

  /** Each test starts here: that a VM which went through a crash can be moved again is a part of what it shows. */
  async startAt(device: 'mid' | 'pc'): Promise<void> {
    if ((await onlyCopy(this.lab)).host === device) return;
    const trip = device === 'pc' ? (['dock', 'pc'] as const) : (['undock'] as const);
    const outcome = await this.lab.mid.trip(trip, () => undefined, within(tripLimitMs));
    expect(judgeTrip(outcome, this.#pc)).toEqual([]);
    expect((await onlyCopy(this.lab)).host).toBe(device);
  }
}

const sides = [
  { side: 'mid', role: 'source', other: 'target' },
  { side: 'pc', role: 'target', other: 'source' },
] as const;

describe('a wdockd that is killed during a dock', () => {
  const pair = new KilledPair('small-pc');

  for (const { side, role, other } of sides) {
    for (const [stage, moment] of [
      ['prepare', begins('prepare')],
      ['transfer', isUnderWay('transfer')],
    ] as const) {
      it(`leaves the VM where it was when the ${role}'s dies in ${stage}`, async () => {
        await pair.startAt('mid');
        await killDuring(pair.lab, pair.lab[side], ['dock', 'pc'], moment);
        expect((await onlyCopy(pair.lab)).host).toBe('mid');
        await pair.expectIntact();
      });
    }

    it(`leaves exactly one copy when the ${role}'s dies in hand-over`, async () => {
      await pair.startAt('mid');
      await killDuring(pair.lab, pair.lab[side], ['dock', 'pc'], begins('hand-over'));
      await onlyCopy(pair.lab);
      await pair.expectIntact();
    });

    it(`leaves the VM where it is now when the ${role}'s dies in adapt`, async () => {
      await pair.startAt('mid');
      await killDuring(pair.lab, pair.lab[side], ['dock', 'pc'], begins('adapt'));
      expect((await onlyCopy(pair.lab)).host).toBe('pc');
      await pair.expectIntact();
    });

    // A dock has nothing to shrink; an undock has, and its source is the PC.
    it(`leaves a VM that is made small where it was when the ${other}'s dies in shrink`, async () => {
      await pair.startAt('pc');
      await killDuring(pair.lab, pair.lab[side], ['undock'], isUnderWay('shrink'));
      expect((await onlyCopy(pair.lab)).host).toBe('pc');
      await pair.expectIntact();
    });
  }

  it('has left nothing behind: the VM goes home and is small', async () => {
    await pair.startAt('mid');
    await pair.expectIntact();
  });
});

// What has been adapted by then does not matter for these, so there is next to nothing to adapt, and they take half the time.
describe('a wdockd that is killed at the end of a dock', () => {
  const pair = new KilledPair('twin');

  for (const { side, role } of sides) {
    for (const stage of ['verify', 'settle']) {
      it(`leaves the VM where it is now when the ${role}'s dies in ${stage}`, async () => {
        await pair.startAt('mid');
        await killDuring(pair.lab, pair.lab[side], ['dock', 'pc'], begins(stage));
        expect((await onlyCopy(pair.lab)).host).toBe('pc');
        await pair.expectIntact();
      });
    }
  }

  it('has left nothing behind: the VM goes home', async () => {
    await pair.startAt('mid');
    await pair.expectIntact();
  });
});
