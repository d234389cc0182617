import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DockError } from '../../protocol/dock-error.ts';
import type { ProgressEvent } from '../../protocol/progress-event.ts';
import { judgeHeld } from '../lab/demo/judge-network.ts';
import { judgeTrip } from '../lab/demo/judge-trip.ts';
import { Lab, provideGuestWithAgent } from '../lab/lab.ts';
import { VerifyWatch } from '../lab/verify/verify-watch.ts';
import { NetworkWatch } from '../lab/watch/network-watch.ts';
import { onlyCopy, seenBy } from './copies.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const tripLimitMs = 300_000;
const silent = () => undefined;

/** One life of one VM; each test begins where the one before it ended. */
describe('a guest whose access point goes away while it moves', () => {
  let lab: Lab;
  let load: VerifyWatch;
  let watch: NetworkWatch;

  beforeAll(async () => {
    const signal = within(14 * 60_000);
    const guest = await provideGuestWithAgent(silent, signal);
    // The default is a minute and a half, twice.
    const stallLimitMs = 20_000;
    lab = await Lab.start(guest, { link: 'unshaped', pc: 'twin', stallLimitMs, progress: silent }, signal);
    load = await VerifyWatch.open(lab.network.client, lab.guestAddress, 500, within(60_000));
    watch = await NetworkWatch.open(lab, within(60_000));
  });

  afterAll(async () => {
    for (const each of [watch, load, lab]) await each?.[Symbol.asyncDispose]();
  });

  /** Cuts the MID off at the first event for which this holds; returns what became of the move meanwhile. */
  async function dockUntilCut(moment: (event: ProgressEvent) => boolean): Promise<unknown> {
    let cut: Promise<void> | undefined;
    const ended = await lab.mid
      .trip(
        ['dock', 'pc'],
        (event) => {
          if (moment(event)) cut ??= lab.network.cutLink('mid', within(10_000));
        },
        within(tripLimitMs),
      )
      .catch((error: unknown) => error);
    expect(cut, 'the moment came').toBeDefined();
    await cut;
    return ended;
  }

  async function expectUnharmed(): Promise<void> {
    await watch.mark(within(30_000));
    expect(judgeHeld(await watch.held(within(60_000)))).toEqual([]);
    expect((await load.verdict(within(120_000))).verdict).toBe('intact');
  }

  it('stays where it is, and its user is told that the link is gone', async () => {
    const before = await seenBy(lab.mid, within(10_000));
    const error = await dockUntilCut(
      (event) => event.kind === 'stage-progress' && event.stage === 'transfer' && (event.fraction ?? 0) > 0.3,
    );
    expect(error).toBeInstanceOf(DockError);
    expect(error).toMatchObject({
      kind: 'peer-gone',
      message: expect.stringMatching(/nothing of the VM has gone through for \d+ s.*in reach\?/),
    });
    expect(await seenBy(lab.mid, within(10_000))).toMatchObject({ state: 'here', epoch: before?.epoch });
    await lab.network.restoreLink('mid', within(10_000));
    expect((await onlyCopy(lab)).host).toBe('mid');
    await expectUnharmed();
  });

  it('runs on where it was, as one copy, when the link goes as it is handed over', async () => {
    const error = await dockUntilCut(
      (event) => event.kind === 'stage-started' && event.stage === 'hand-over',
    );
    expect(error).toBeInstanceOf(DockError);
    expect((error as DockError).message).toMatch(/runs on here: .*in reach\?/);
    expect((await seenBy(lab.mid, within(10_000)))?.state).toBe('here');
    await lab.network.restoreLink('mid', within(10_000));
    expect((await onlyCopy(lab)).host).toBe('mid');
    await expectUnharmed();
  });

  it('moves once the access point is there again', async () => {
    const outcome = await lab.mid.trip(['dock', 'pc'], silent, within(tripLimitMs));
    expect(judgeTrip(outcome, 'twin')).toEqual([]);
    await expectUnharmed();
  });

  it('comes home through a cut in the middle of it, which its user is told of', async () => {
    const notes: string[] = [];
    let cut: Promise<void> | undefined;
    let restored: Promise<void> | undefined;
    const isHalfWay = (event: ProgressEvent) =>
      event.kind === 'stage-progress' && event.stage === 'transfer' && (event.fraction ?? 0) > 0.3;
    const outcome = await lab.mid.trip(
      ['undock'],
      (event) => {
        if (event.kind === 'note') notes.push(event.text);
        if (isHalfWay(event)) cut ??= lab.network.cutLink('mid', within(10_000));
        // The word that nothing is heard comes when the connection is given up, some seconds later.
        if (notes.some((note) => note.startsWith('no word from "pc"')))
          restored ??= lab.network.restoreLink('mid', within(10_000));
      },
      within(tripLimitMs),
    );
    expect(cut, 'the moment came').toBeDefined();
    await Promise.all([cut, restored]);
    expect(notes).toContain('"pc" is heard again');
    expect(outcome).toMatchObject({ kind: 'undock', from: 'pc', to: 'mid' });
    expect((await onlyCopy(lab)).host).toBe('mid');
    await expectUnharmed();
  });
});
