import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PrivateBus } from '../contract/guest-agent/private-bus.ts';
import { listenToEnd, nameTaken } from '../contract/host-bus/bus-events.ts';
import { Busctl, hostName, member, stranger, workPath } from '../contract/host-bus/busctl.ts';
import { PolkitDaemon } from '../contract/host-bus/polkit-daemon.ts';
import { Lab, provideGuestWithAgent } from '../lab/lab.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const tripLimitMs = 300_000;
const silent = () => undefined;

/** One life of one VM; each test begins where the one before it ended. */
describe('a workspace that is driven with busctl', () => {
  let stack: AsyncDisposableStack;
  let bus: PrivateBus;
  let busctl: Busctl;

  beforeAll(async () => {
    stack = new AsyncDisposableStack();
    const signal = within(14 * 60_000);
    const guest = await provideGuestWithAgent(silent, signal);
    bus = stack.use(await PrivateBus.start('system'));
    stack.use(await PolkitDaemon.start(bus.address, member));
    const options = {
      link: 'unshaped',
      pc: 'small-pc',
      systemBuses: { mid: bus.address },
      progress: silent,
    } as const;
    stack.use(await Lab.start(guest, options, signal));
    await nameTaken(bus.address, hostName, within(30_000));
    busctl = new Busctl(bus.address);
  });

  afterAll(async () => {
    await stack?.disposeAsync();
  });

  const state = async () => await busctl.property(workPath, '.Workspace', 'State');

  /** Calls the method as a member of the group, and returns the path of the trip, which has ended. */
  async function travel(method: string, ...args: string[]): Promise<string> {
    const ended = listenToEnd(bus.address, within(tripLimitMs));
    await ended.listening;
    const answer = await busctl.as(member).call(workPath, '.Workspace', method, ...args);
    const trip = /^o "(.*)"$/.exec(answer)?.[1] ?? '';
    expect(await busctl.property(trip, '.Trip', 'State')).toBe('s "running"');
    expect(await busctl.property(workPath, '.Workspace', 'Trip')).toBe(`o "${trip}"`);
    expect(await ended.body).toEqual(['done', '', '']);
    return trip;
  }

  const figure = async (trip: string, name: string) =>
    Number((await busctl.property(trip, '.Trip', name)).split(' ')[1]);

  it('does not move for a user whom polkit does not allow it', async () => {
    await expect(busctl.as(stranger).dock('pc')).rejects.toThrow('Access denied');
    expect(await busctl.property(workPath, '.Workspace', 'Trip')).toBe('o "/"');
    expect(await state()).toBe('s "here"');
  });

  it('docks for one whom polkit allows it, and the trip tells what it took', async () => {
    const trip = await travel('Dock', 's', 'pc');
    expect(await busctl.property(trip, '.Trip', 'To')).toBe('s "pc"');
    expect(await figure(trip, 'Percent')).toBe(100);
    for (const name of ['TotalMs', 'DowntimeMs', 'SentBytes'])
      expect(await figure(trip, name), name).toBeGreaterThan(0);
    expect(await state()).toBe('s "away"');
    expect(await busctl.property(workPath, '.Workspace', 'RunsOn')).toBe('s "pc"');
  });

  it('comes back, though another device drives that trip', async () => {
    const trip = await travel('Undock');
    expect(await busctl.property(trip, '.Trip', 'From')).toBe('s "pc"');
    expect(await state()).toBe('s "here"');
    expect(await busctl.property(workPath, '.Workspace', 'Trip')).toBe('o "/"');
  });
});
