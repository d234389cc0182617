import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DockError } from '../../protocol/dock-error.ts';
import type { TripOutcome } from '../../protocol/outcome.ts';
import type { ProgressEvent } from '../../protocol/progress-event.ts';
import { judgeTrip } from '../lab/demo/judge-trip.ts';
import { Lab, labWorkspace, provideGuestWithAgent } from '../lab/lab.ts';
import { GapProbe } from '../lab/network/gap-probe.ts';
import { holderName } from '../lab/verify/memory-holder.ts';
import type { VerifyReport } from '../lab/verify/report.ts';
import { VerifyWatch } from '../lab/verify/verify-watch.ts';
import { onlyCopy, seenBy } from './copies.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const tripLimitMs = 300_000;
const silent = () => undefined;

/** One life of one VM: the tests follow each other, and each begins where the one before it ended. */
describe('a workspace and two devices', () => {
  let lab: Lab;
  let load: VerifyWatch;
  let run: number;
  let beatsAsleep: number;

  beforeAll(async () => {
    const signal = within(14 * 60_000);
    const guest = await provideGuestWithAgent(silent, signal);
    lab = await Lab.start(guest, { link: 'unshaped', progress: silent }, signal);
    load = await VerifyWatch.open(lab.network.client, lab.guestAddress, 500, within(30_000));
    ({ run } = load.latest);
  });

  afterAll(async () => {
    await load?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  });

  const dock = (onEvent: (event: ProgressEvent) => void = silent) =>
    lab.mid.trip(['dock', 'pc'], onEvent, within(tripLimitMs));
  const undock = () => lab.mid.trip(['undock'], silent, within(tripLimitMs));

  async function refusal(trip: Promise<unknown>): Promise<DockError> {
    const error = await trip.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(DockError);
    return error as DockError;
  }

  async function expectIntact(): Promise<void> {
    const report = await load.verdict(within(60_000));
    expect(report.memory.firstMismatch).toBeUndefined();
    expect(report.disk.firstProblem).toBeUndefined();
    expect(report).toMatchObject({ verdict: 'intact', run });
  }

  /** The service that the policy has sleep on the MID, as the guest's kernel has it; returns how far it has come. */
  async function expectAsleep(): Promise<number> {
    const { background } = await load.reportWhere(
      (report) => report.background?.frozen === true,
      within(30_000),
    );
    const { beats = -1 } = background ?? {};
    // All of the guest's memory is compared meanwhile: time enough for whoever is awake.
    const later = await load.verdict(within(60_000));
    expect(later.background).toEqual({ beats, frozen: true });
    return beats;
  }

  /** What the guest is short of is no resource of its machine, and is said with its reason. */
  function expectAsAsked({ shortfalls }: TripOutcome): void {
    for (const { resource, reason } of shortfalls) {
      expect(['memory', 'display', 'network', 'storage', 'agent', 'clock']).not.toContain(resource);
      expect(reason).not.toBe('');
    }
  }

  /** Nothing of the workspace is on the PC but its record. */
  async function expectNothingOnThePc(): Promise<void> {
    expect((await onlyCopy(lab)).host).toBe('mid');
    const links = await lab.network.pc.run(['ip', '-oneline', 'link', 'show'], within(10_000));
    expect(links).not.toContain(`wd-${labWorkspace}`);
  }

  it('is not moved to a device that nobody has heard of', async () => {
    const error = await refusal(lab.mid.trip(['dock', 'office'], silent, within(tripLimitMs)));
    expect(error.kind).toBe('not-found');
    expect(error.message).toContain('office');
  });

  it('has a service asleep on the small device, as its policy says', async () => {
    beatsAsleep = await expectAsleep();
  });

  it('is not undocked at home', async () => {
    expect((await refusal(undock())).kind).toBe('conflict');
  });

  it('stays where it is when the target has no room for what it keeps of it', async () => {
    const state = `${lab.pc.folder}/state`;
    await lab.network.pc.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'full', state], within(10_000));
    try {
      const error = await refusal(dock());
      expect(error.kind).toBe('does-not-fit');
      expect(error.message).toContain(`${lab.pc.folder}/state`);
      expect(error.detail).toMatchObject({ neededMiB: 64 });
    } finally {
      await lab.network.pc.run(['umount', state], within(10_000));
    }
    await expectNothingOnThePc();
    await load.nextReport(within(10_000));
  });

  it('runs on as before when its move is cancelled with half of its memory sent', async () => {
    const before = await seenBy(lab.mid, within(10_000));
    let cancelled: Promise<unknown> | undefined;
    const error = await refusal(
      dock((event) => {
        if (event.kind === 'stage-progress' && event.stage === 'transfer' && (event.fraction ?? 0) > 0.3) {
          cancelled ??= lab.mid.wdock(['cancel'], within(tripLimitMs));
        }
      }),
    );
    await cancelled;
    expect(error.kind).toBe('cancelled');
    await expectNothingOnThePc();
    await expectIntact();
    expect((await seenBy(lab.mid, within(10_000)))?.epoch).toBe(before?.epoch);
  });

  it('becomes a big machine at the PC, and a second move meanwhile is refused', async () => {
    await using probe = await GapProbe.start(lab.network.client, lab.guestAddress, within(30_000));
    let second: Promise<DockError> | undefined;
    const outcome = await dock((event) => {
      if (event.kind === 'stage-progress' && event.stage === 'transfer') second ??= refusal(dock());
    });
    expect((await second)?.kind).toBe('conflict');

    // Read in the guest when this dock began: the move that was cancelled left it as it was.
    expect(outcome.guest.before).toMatchObject({
      vcpus: 1,
      display: { width: 1024, height: 600 },
      network: { mode: 'routed' },
    });
    expect(outcome.guest.before?.memoryMiB).toBeLessThanOrEqual(1024);
    expect(judgeTrip(outcome)).toEqual([]);
    expectAsAsked(outcome);
    expect(outcome).toMatchObject({ kind: 'dock', from: 'mid', to: 'pc', simulated: true });
    expect(outcome.guest.after?.network.addresses).toContain(`${lab.guestAddress}/24`);
    expect(outcome.guest.after?.agentVersion).toMatch(/^\d+\.\d+\.\d+/);
    expect(outcome.stages.map(({ name }) => name)).toEqual([
      ...[
        'discover',
        'choose',
        'plan',
        'prepare',
        'shrink',
        'transfer',
        'hand-over',
        'adapt',
        'verify',
        'settle',
      ],
    ]);
    expect(outcome.downtimeMs).toBeGreaterThan(0);
    // Most of what QEMU writes does not go over the link.
    expect(outcome.streamBytes).toBeGreaterThan(64 * 1024 * 1024);
    expect(outcome.wireBytes).toBeLessThan(outcome.streamBytes / 2);
    expect(outcome.pages.new).toBeGreaterThan(10_000);

    await probe.nextReply(within(30_000));
    expect((await onlyCopy(lab)).host).toBe('pc');
    // The service that slept is awake, and goes on where it was stopped.
    const awake = ({ background }: VerifyReport) =>
      background?.frozen === false && background.beats > beatsAsleep;
    await load.reportWhere(awake, within(30_000));
    await expectIntact();
  });

  it('is not docked once more while it is docked', async () => {
    const error = await refusal(dock());
    expect(error.kind).toBe('conflict');
    expect(error.message).toContain('undock');
  });

  it('is not made small enough to harm it: what does not fit stays at the PC, big as it is', async () => {
    await load.hold(1200, within(120_000));
    const error = await refusal(undock());
    expect(error.kind).toBe('does-not-fit');
    const { missingMiB, usedMiB, largest } = error.detail as {
      missingMiB: number;
      usedMiB: number;
      largest: { name: string; residentMiB: number }[];
    };
    expect(usedMiB).toBeGreaterThan(1200);
    expect(missingMiB).toBeGreaterThan(1200 - 1024);
    expect(largest[0]?.name).toBe(holderName);
    expect(largest[0]?.residentMiB).toBeGreaterThanOrEqual(1200);
    expect(error.message).toContain(`${missingMiB} MiB are missing`);
    expect(error.message).toContain(holderName);

    expect((await onlyCopy(lab)).host).toBe('pc');
    // The program lives, and so does the load.
    expect((await load.nextReport(within(30_000))).heldMiB).toBe(1200);
    await load.hold(0, within(30_000));
  });

  it('becomes a small machine at home again, with its connections open', async () => {
    await using probe = await GapProbe.start(lab.network.client, lab.guestAddress, within(30_000));
    const outcome = await undock();
    // Read in the guest: the refused undock took nothing from it.
    expect(outcome.guest.before?.vcpus).toBe(4);
    expect(outcome.guest.before?.memoryMiB).toBeGreaterThanOrEqual(4096);
    expect(judgeTrip(outcome)).toEqual([]);
    expectAsAsked(outcome);
    expect(outcome).toMatchObject({ kind: 'undock', from: 'pc', to: 'mid' });
    expect(outcome.guest.after?.network.addresses).toContain(`${lab.guestAddress}/24`);
    await probe.nextReply(within(30_000));
    await expectNothingOnThePc();
    expect(await expectAsleep()).toBeGreaterThan(beatsAsleep);
    await expectIntact();
  });
});
