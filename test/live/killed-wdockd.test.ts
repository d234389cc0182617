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

describe('a wdockd that is killed during a dock', () => {
  let lab: Lab;
  let load: VerifyWatch;
  let run: number;

  beforeAll(async () => {
    const signal = within(14 * 60_000);
    lab = await Lab.start(
      await provideGuestWithAgent(() => undefined, signal),
      { link: 'unshaped', pc: 'small-pc', progress: () => undefined },
      signal,
    );
    load = await VerifyWatch.open(lab.network.client, lab.guestAddress, 500, within(30_000));
    ({ run } = load.latest);
  });

  afterAll(async () => {
    await load?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  });

  /** The same guest, over the same TCP connection, with all of its memory and disk as they should be. */
  async function expectIntact(): Promise<void> {
    const report = await load.verdict(within(60_000));
    expect(report.memory.firstMismatch).toBeUndefined();
    expect(report.disk.firstProblem).toBeUndefined();
    expect(report.verdict).toBe('intact');
    expect(report.run).toBe(run);
  }

  /** Each test starts here: that a VM which went through a crash can be moved again is a part of what it shows. */
  async function startAt(device: 'mid' | 'pc'): Promise<void> {
    if ((await onlyCopy(lab)).host === device) return;
    const trip = device === 'pc' ? (['dock', 'pc'] as const) : (['undock'] as const);
    const outcome = await lab.mid.trip(trip, () => undefined, within(tripLimitMs));
    expect(judgeTrip(outcome, 'small-pc')).toEqual([]);
    expect((await onlyCopy(lab)).host).toBe(device);
  }

  for (const side of ['mid', 'pc'] as const) {
    const role = side === 'mid' ? 'source' : 'target';
    for (const [stage, moment] of [
      ['prepare', begins('prepare')],
      ['transfer', isUnderWay('transfer')],
    ] as const) {
      it(`leaves the VM where it was when the ${role}'s dies in ${stage}`, async () => {
        await startAt('mid');
        await killDuring(lab, lab[side], ['dock', 'pc'], moment);
        expect((await onlyCopy(lab)).host).toBe('mid');
        await expectIntact();
      });
    }

    it(`leaves exactly one copy when the ${role}'s dies in hand-over`, async () => {
      await startAt('mid');
      await killDuring(lab, lab[side], ['dock', 'pc'], begins('hand-over'));
      await onlyCopy(lab);
      await expectIntact();
    });

    for (const stage of ['adapt', 'verify', 'settle']) {
      it(`leaves the VM where it is now when the ${role}'s dies in ${stage}`, async () => {
        await startAt('mid');
        await killDuring(lab, lab[side], ['dock', 'pc'], begins(stage));
        expect((await onlyCopy(lab)).host).toBe('pc');
        await expectIntact();
      });
    }

    // A dock has nothing to shrink; an undock has, and its source is the PC.
    it(`leaves a VM that is made small where it was when the ${side === 'pc' ? 'source' : 'target'}'s dies in shrink`, async () => {
      await startAt('pc');
      await killDuring(lab, lab[side], ['undock'], isUnderWay('shrink'));
      expect((await onlyCopy(lab)).host).toBe('pc');
      await expectIntact();
    });
  }

  it('has left nothing behind: the VM goes home and is small', async () => {
    await startAt('mid');
    await expectIntact();
  });
});
