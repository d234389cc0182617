import { describe, expect, it, onTestFinished } from 'vitest';
import type { Observation } from '../../../host-plugins/presence/observation.ts';
import { LogindSource } from '../../../host-plugins/presence/sources/logind/logind-source.ts';
import { SleepGuard } from '../../../host-plugins/presence/sources/logind/sleep-guard.ts';
import { MockedLogind } from './mocked-logind.ts';

const limit = { timeout: 20_000 };
const inhibitor = 'sleep:shutdown delay Wireless Dock';

/** A device with this logind, and what is observed of it from now on. */
async function observed(delayMaxMs = 60_000) {
  const logind = await MockedLogind.start(delayMaxMs);
  onTestFinished(() => logind[Symbol.asyncDispose]());
  const guard = new SleepGuard(logind.bus.address);
  const systemBus = logind.bus.address;
  const source = new LogindSource({ systemBus, guard, hasLid: async () => true, everyMs: 20 });
  const end = new AbortController();
  const told: Observation[] = [];
  const observing = source.observe((observation) => told.push(observation), end.signal);
  const stop = async () => {
    end.abort();
    await observing;
  };
  onTestFinished(stop);
  await expect.poll(() => logind.inhibitors(), limit).toEqual([inhibitor]);
  const of = <K extends Observation['kind']>(kind: K) => told.filter((each) => each.kind === kind);
  return { logind, guard, source, of, stop, signal: AbortSignal.timeout(60_000) };
}

describe('a device without logind', () => {
  it('cannot be kept awake, is not observed, and says what to do', async () => {
    const guard = new SleepGuard('unix:path=/nowhere');
    const settings = { systemBus: 'unix:path=/nowhere', guard, hasLid: async () => true };
    const source = new LogindSource(settings);
    const { signal } = new AbortController();
    await expect(source.observe(() => {}, signal)).rejects.toMatchObject({ kind: 'missing-dependency' });
    await expect(guard.hold('a VM leaves', signal)).rejects.toMatchObject({ kind: 'missing-dependency' });
    expect(await source.check(signal)).toMatchObject({ name: 'logind', state: 'warning' });
  });
});

describe("python-dbusmock's logind", () => {
  it('is asked to wait ahead, and waits for nobody any more when the observing ends', async () => {
    const { logind, stop } = await observed();
    await stop();
    await expect.poll(() => logind.inhibitors(), limit).toEqual([]);
  });

  it('lets the device sleep soon when nothing has to leave first, and is asked anew when it wakes', async () => {
    const { logind, of } = await observed();
    await logind.prepareFor('Sleep', true);
    await expect.poll(() => logind.inhibitors(), limit).toEqual([]);
    expect(of('leaving')).toEqual([{ kind: 'leaving', why: 'sleep' }]);
    await logind.prepareFor('Sleep', false);
    await expect.poll(() => logind.inhibitors(), limit).toEqual([inhibitor]);
    expect(of('leaving')).toHaveLength(1);
  });

  it('waits until every VM that was here has left, whether its leaving began before or after', async () => {
    const { logind, guard, of, signal } = await observed();
    const before = await guard.hold('a VM is here', signal);
    await logind.prepareFor('Shutdown', true);
    await expect.poll(() => of('leaving'), limit).toEqual([{ kind: 'leaving', why: 'shutdown' }]);
    const after = await guard.hold('another one leaves', signal);
    before[Symbol.dispose]();
    expect(await logind.inhibitors()).toEqual([inhibitor]);
    after[Symbol.dispose]();
    await expect.poll(() => logind.inhibitors(), limit).toEqual([]);
  });

  it('says to who still holds it that its patience is about to end', async () => {
    const { logind, guard, signal } = await observed(200);
    const hold = await guard.hold('a VM leaves', signal);
    expect(hold.late.aborted).toBe(false);
    await logind.prepareFor('Sleep', true);
    await expect.poll(() => hold.late.aborted, limit).toBe(true);
    hold[Symbol.dispose]();
    await expect.poll(() => logind.inhibitors(), limit).toEqual([]);
  });

  it('tells of the lid, and of a session that begins, is idle and is locked', async () => {
    const { logind, of } = await observed();
    await expect.poll(() => of('lid'), limit).toEqual([{ kind: 'lid', closed: false }]);
    expect(of('session')).toEqual([]);
    await logind.setLid(true);
    await expect.poll(() => of('lid').at(-1), limit).toEqual({ kind: 'lid', closed: true });
    const path = await logind.addSession('c1');
    const session = () => expect.poll(() => of('session').at(-1), limit);
    await session().toEqual({ kind: 'session', locked: false, idle: false });
    await logind.setSession(path, { IdleHint: true });
    await session().toEqual({ kind: 'session', locked: false, idle: true });
    await logind.setSession(path, { IdleHint: false, LockedHint: true });
    await session().toEqual({ kind: 'session', locked: true, idle: false });
  });

  it('is followed when it is started again', async () => {
    const { logind, of } = await observed();
    await logind.kill();
    await logind.run(60_000);
    await expect.poll(() => logind.inhibitors(), limit).toEqual([inhibitor]);
    await logind.prepareFor('Sleep', true);
    await expect.poll(() => of('leaving'), limit).toEqual([{ kind: 'leaving', why: 'sleep' }]);
  });

  it('is asked again when the inhibitor ended without being asked, or was refused', async () => {
    const { logind, guard, signal } = await observed();
    await guard.release();
    await expect.poll(() => guard.taken, limit).toBe(true);
    const hold = await guard.hold('a VM is here', signal);
    await expect.poll(() => logind.inhibitors(), limit).toEqual([inhibitor]);
    hold[Symbol.dispose]();
  });

  it('is good enough for the doctor when it waits long enough', async () => {
    const { source, signal } = await observed(120_000);
    expect(await source.check(signal)).toMatchObject({
      state: 'ok',
      detail: expect.stringContaining('120 s'),
    });
    const hasty = await observed(5_000);
    const check = await hasty.source.check(signal);
    expect(check).toMatchObject({ state: 'warning', remedy: expect.stringContaining('InhibitDelayMaxSec') });
  });
});
