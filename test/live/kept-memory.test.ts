import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { z } from 'zod';
import { KeptMemoryFacts } from '../../protocol/control-methods.ts';
import type { TripOutcome } from '../../protocol/outcome.ts';
import { Lab, labWorkspace, provideGuestWithAgent } from '../lab/lab.ts';
import type { LabHost } from '../lab/lab-host.ts';
import { VerifyWatch } from '../lab/verify/verify-watch.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const tripLimitMs = 300_000;
const silent = () => undefined;

const Shown = z.object({ keptMemory: KeptMemoryFacts.optional() });
const Line = z.object({ msg: z.string(), digest: z.string().optional() });

/** One life of one VM: the tests follow each other, and each begins where the one before it ended. */
describe('a VM whose memory is kept where it left', () => {
  let lab: Lab;
  let load: VerifyWatch;
  let first: TripOutcome;

  beforeAll(async () => {
    const signal = within(14 * 60_000);
    const guest = await provideGuestWithAgent(silent, signal);
    lab = await Lab.start(guest, { link: 'unshaped', pc: 'small-pc', progress: silent }, signal);
    load = await VerifyWatch.open(lab.network.client, lab.guestAddress, 500, within(30_000));
  });

  afterAll(async () => {
    await load?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  });

  const tellOnFailure = () =>
    onTestFailed(() => {
      for (const host of [lab.mid, lab.pc]) console.error(host.name, host.log.slice(-30).join('\n'));
    });

  const dock = () => lab.mid.trip(['dock', 'pc'], silent, within(tripLimitMs));
  const undock = () => lab.mid.trip(['undock'], silent, within(tripLimitMs));
  const keptOn = async (host: LabHost) =>
    Shown.parse(await host.wdock(['workspace', 'show', labWorkspace], within(20_000))).keptMemory;
  const keptPages = ({ pages }: TripOutcome) =>
    pages.referenced.find(({ kind }) => kind === 'kept')?.pages ?? 0;

  /** The lists that both devices have made of one trip, as their logs tell of them. */
  async function digests(from: LabHost, to: LabHost, trip: number): Promise<(string | undefined)[]> {
    const told = ({ log }: LabHost, what: string) =>
      log.map((line) => Line.safeParse(JSON.parse(line))).filter(({ data }) => data?.msg === what);
    const kept = () => told(from, 'the memory of the VM that has left is kept');
    const noted = () => told(to, 'what stays elsewhere is noted');
    await expect
      .poll(() => [kept().length, noted().length], { timeout: 120_000, interval: 500 })
      .toEqual([trip, trip]);
    return [kept().at(-1)?.data?.digest, noted().at(-1)?.data?.digest];
  }

  async function expectIntact(): Promise<void> {
    const report = await load.verdict(within(60_000));
    expect(report.memory.firstMismatch).toBeUndefined();
    expect(report).toMatchObject({ verdict: 'intact' });
  }

  it('goes for the first time with nothing known, and both devices note the same list of what stays', async () => {
    tellOnFailure();
    first = await dock();
    expect(keptPages(first)).toBe(0);
    const [kept, noted] = await digests(lab.mid, lab.pc, 1);
    expect(kept).toBeDefined();
    expect(noted).toBe(kept);
    expect(await keptOn(lab.mid)).toMatchObject({ at: expect.any(Number) });
    await expectIntact();
  });

  it('comes back with most of its pages by name, and is the same', async () => {
    tellOnFailure();
    const back = await undock();
    expect(keptPages(back)).toBeGreaterThan(first.pages.new / 2);
    expect(back.wireBytes).toBeLessThan(first.wireBytes / 2);
    const [kept, noted] = await digests(lab.pc, lab.mid, 1);
    expect(noted).toBe(kept);
    await expectIntact();
  });

  it('goes again by what the other device has kept', async () => {
    tellOnFailure();
    const again = await dock();
    expect(keptPages(again)).toBeGreaterThan(first.pages.new / 2);
    await digests(lab.mid, lab.pc, 2);
    await expectIntact();
  });

  it('comes back by a longer way when what was kept is removed', async () => {
    tellOnFailure();
    await lab.mid.wdock(['workspace', 'forget-memory', labWorkspace], within(20_000));
    expect(await keptOn(lab.mid)).toBeUndefined();
    expect(keptPages(await undock())).toBe(0);
    await digests(lab.pc, lab.mid, 2);
    await expectIntact();
  });

  it('leaves nothing to be used when the device is forgotten', async () => {
    tellOnFailure();
    expect(await keptOn(lab.pc)).toMatchObject({ at: expect.any(Number) });
    await lab.pc.wdock(['devices', 'forget', 'mid'], within(20_000));
    await expect.poll(() => keptOn(lab.pc), { timeout: 30_000 }).toBeUndefined();
  });
});
