import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { z } from 'zod';
import { GuestSummary } from '../../protocol/outcome.ts';
import { ResumeOutcome, SuspendOutcome } from '../../protocol/suspension.ts';
import { Lab, labWorkspace, provideGuestWithAgent } from '../lab/lab.ts';
import type { LabHost } from '../lab/lab-host.ts';
import { runCommand } from '../lab/run-command.ts';
import { VerifyWatch } from '../lab/verify/verify-watch.ts';
import { copiesOf, onlyCopy } from './copies.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const limitMs = 300_000;
const silent = () => undefined;

const Suspended = z.object({ kind: z.literal('suspended'), outcome: SuspendOutcome });
const Resumed = z.object({ kind: z.literal('resumed'), outcome: ResumeOutcome });
const Progress = z.object({
  kind: z.literal('stage-progress'),
  stage: z.string(),
  fraction: z.number().optional(),
});
const Status = z.object({
  workspaces: z.array(z.object({ state: z.string(), detail: z.string().optional() })),
});

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // for people, on standard error
  }
}

/** One life of one VM: it is carried from one device to the other on a drive. */
describe('a workspace that is carried on a drive', () => {
  let lab: Lab;
  let load: VerifyWatch;
  let run: number;
  let stick: string;

  beforeAll(async () => {
    const signal = within(14 * 60_000);
    const guest = await provideGuestWithAgent(silent, signal);
    lab = await Lab.start(guest, { link: 'unshaped', pc: 'small-pc', progress: silent }, signal);
    await lab.mid.wdock(['devices', 'trust', 'pc', 'owned'], signal);
    await lab.pc.wdock(['devices', 'trust', 'mid', 'owned'], signal);
    stick = join(lab.folder, 'stick');
    await mkdir(stick);
    load = await VerifyWatch.open(lab.network.client, lab.guestAddress, 500, within(30_000));
    ({ run } = load.latest);
  });

  afterAll(async () => {
    await load?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  });

  const tellOnFailure = () =>
    onTestFailed(() => {
      for (const host of [lab.mid, lab.pc]) console.error(host.name, host.log.slice(-40).join('\n'));
    });

  /** The last line of what `wdock --json` prints; each line before it is told. */
  async function last(
    host: LabHost,
    args: readonly string[],
    onLine: (line: unknown) => void = silent,
  ): Promise<unknown> {
    let last: unknown;
    const take = (line: string): void => {
      const parsed = parseJson(line);
      if (parsed === undefined) return;
      last = parsed;
      onLine(parsed);
    };
    await runCommand(host.wdockCommand(['--json', ...args]), { onLine: take }, within(limitMs));
    return last;
  }

  const stateAt = async (host: LabHost) =>
    Status.parse(await host.wdock(['status'], within(20_000))).workspaces[0];

  async function expectIntact(): Promise<void> {
    const report = await load.verdict(within(120_000));
    expect(report.memory.firstMismatch).toBeUndefined();
    expect(report.disk.firstProblem).toBeUndefined();
    expect(report).toMatchObject({ verdict: 'intact', run });
  }

  it('runs on when the drive is unmounted in the middle, and what is there is no image', async () => {
    tellOnFailure();
    const inMid = (argv: readonly string[]) => lab.network.mid.run(argv, within(20_000));
    await inMid(['mount', '-t', 'tmpfs', '-o', 'size=2g', 'stick', stick]);
    let pulled: Promise<unknown> | undefined;
    const failure = await last(lab.mid, ['suspend', '--to', stick], (line) => {
      const event = Progress.safeParse(line);
      if (event.data?.stage !== 'transfer' || (event.data.fraction ?? 0) < 0.2) return;
      pulled ??= inMid(['umount', '--lazy', stick]);
    }).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    await pulled;
    expect(pulled).toBeDefined();
    expect(failure?.message).toMatch(/was not suspended and runs on here: .*pulled or unmounted/s);
    expect(await readdir(stick)).toEqual([]);
    expect((await onlyCopy(lab)).host).toBe('mid');
    await expectIntact();
  });

  it('runs on when it is cancelled in the middle', async () => {
    tellOnFailure();
    let cancelled: Promise<unknown> | undefined;
    const failure = await last(lab.mid, ['suspend', '--to', stick], (line) => {
      const event = Progress.safeParse(line);
      if (event.data?.stage !== 'transfer' || (event.data.fraction ?? 0) < 0.2) return;
      cancelled ??= lab.mid.wdock(['cancel'], within(limitMs));
    }).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    expect(await cancelled).toEqual(expect.objectContaining({ cancelled: true }));
    expect(failure?.message).toMatch(/runs on here: .*cancelled/s);
    expect((await onlyCopy(lab)).host).toBe('mid');
    await expectIntact();
  });

  it('goes on on the PC, adapted to it, with every page of its memory as it was', async () => {
    tellOnFailure();
    const suspended = Suspended.parse(await last(lab.mid, ['suspend', labWorkspace, '--to', stick])).outcome;
    expect(suspended.devices).toEqual(['pc']);
    expect(await copiesOf(lab)).toEqual([]);
    expect(await stateAt(lab.mid)).toMatchObject({
      state: 'suspended',
      detail: expect.stringContaining(`in ${stick} (${suspended.image.slice(0, 12)})`),
    });
    const resumed = Resumed.parse(await last(lab.pc, ['resume', stick])).outcome;
    expect(resumed).toMatchObject({ image: suspended.image, from: 'mid', to: 'pc' });
    expect((await onlyCopy(lab)).host).toBe('pc');
    const before = GuestSummary.parse(resumed.guest.before);
    const after = GuestSummary.parse(resumed.guest.after);
    expect(after.vcpus).toBeGreaterThan(before.vcpus);
    expect(after.memoryMiB).toBeGreaterThan(before.memoryMiB * 1.2);
    expect(after.display).not.toEqual(before.display);
    expect(resumed.shortfalls.map(({ resource }) => resource)).not.toContain('clock');
    await expectIntact();
  });

  it('is not resumed from that drive a second time, on neither device', async () => {
    for (const host of [lab.mid, lab.pc]) {
      const error = await last(host, ['resume', stick]).then(
        () => undefined,
        (thrown: unknown) => thrown as Error,
      );
      expect(error?.message).toMatch(/resumed already|is this device's already/);
    }
    expect((await onlyCopy(lab)).host).toBe('pc');
  });

  it('comes home by itself afterwards, and to the same drive writes only what is new', async () => {
    tellOnFailure();
    await lab.pc.trip(['undock'], silent, within(limitMs));
    expect((await onlyCopy(lab)).host).toBe('mid');
    const { pages } = Suspended.parse(await last(lab.mid, ['suspend', '--to', stick])).outcome;
    expect(pages.reused).toBeGreaterThan(pages.written);
    Resumed.parse(await last(lab.mid, ['resume', stick]));
    expect((await onlyCopy(lab)).host).toBe('mid');
    await expectIntact();
  });
});
