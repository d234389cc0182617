import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { PrivateBus } from '../guest-agent/private-bus.ts';
import { Busctl, hostName, hostRoot, member, refusalOf, stranger } from '../host-bus/busctl.ts';
import { PolkitDaemon } from '../host-bus/polkit-daemon.ts';
import { AskingWdockd, pcPath } from './asking-wdockd.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 }); // processes, on a machine that may be busy

let stack: AsyncDisposableStack;
let busctl: Busctl;
let wdockd: AskingWdockd;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  const bus = stack.use(await PrivateBus.start('system'));
  stack.use(await PolkitDaemon.start(bus.address, member));
  busctl = new Busctl(bus.address);
  wdockd = stack.use(await AskingWdockd.start(bus.address, '10 min'));
});

afterAll(async () => {
  await stack?.disposeAsync();
});

const answer = (by: Busctl, trip: string, yes: boolean) =>
  by.call(pcPath, '.Device', 'Answer', 'ssb', 'work', trip, String(yes));
const questions = () => busctl.property(pcPath, '.Device', 'Questions');

describe('a question on the bus', () => {
  it('cannot be answered without the action dock of polkit, and everybody sees it', async () => {
    const until = await wdockd.asks();
    const user = busctl.as(stranger);
    await expect(answer(user, 'dock', true)).rejects.toThrow('Access denied');
    expect(await refusalOf(user, pcPath, '.Device', 'Answer', 'ssb', 'work', 'dock', 'true')).toEqual([
      'org.freedesktop.DBus.Error.InteractiveAuthorizationRequired',
      'org.wirelessdock.dock needs a password, and the caller does not allow to ask for it',
    ]);
    expect(await user.property(pcPath, '.Device', 'Questions')).toBe(
      `a(ssst) 1 "work" "dock" "it is near" ${until}`,
    );
  });

  it('is not answered by who was asked another one', async () => {
    await wdockd.asks();
    await expect(answer(busctl, 'undock', true)).rejects.toThrow(/not asked whether to undock "work"/);
    expect(await questions()).toContain('"dock"');
  });

  it('is gone when its reason does not hold any more, and answers are refused then', async () => {
    await wdockd.asks();
    await wdockd.leaves();
    await expect(answer(busctl, 'dock', true)).rejects.toThrow(/was answered, or its reason has ended/);
    expect(await busctl.property(pcPath, '.Device', 'Next')).toBe('s "work: it is not near"');
  });

  it('comes with how near the device is, and why', async () => {
    const before = Date.now();
    const until = await wdockd.asks();
    expect(until - before).toBeGreaterThan(9 * 60_000);
    expect(until - Date.now()).toBeLessThanOrEqual(10 * 60_000);
    expect(await busctl.property(pcPath, '.Device', 'Nearness')).toBe('s "near"');
    expect(await busctl.property(pcPath, '.Device', 'NearnessReason')).toMatch(/^s "link quality 92 %/);
    expect(await busctl.property(pcPath, '.Device', 'Next')).toBe('s "work: asks: dock?"');
  });

  it('that is answered with no leads to nothing', async () => {
    await wdockd.asks();
    await answer(busctl.as(member), 'dock', false);
    const { Next } = await wdockd.until(({ Questions }) => Questions.length === 0);
    expect(Next).toBe('work: dock was declined, or has been tried');
    expect(await busctl.run('tree', '--list', hostName)).not.toContain(`${hostRoot}/trips/`);
  });

  it('that is answered with yes leads to the trip, which is an object', async () => {
    await wdockd.leaves();
    await wdockd.asks();
    await answer(busctl.as(member), 'dock', true);
    await wdockd.until(({ Next }) => Next === 'work: dock is under way');
    const trip = `${hostRoot}/trips/1`;
    expect(await busctl.property(trip, '.Trip', 'WorkspaceName')).toBe('s "work"');
    expect(await busctl.property(trip, '.Trip', 'Kind')).toBe('s "dock"');
    expect(await questions()).toBe('a(ssst) 0');
  });
});
