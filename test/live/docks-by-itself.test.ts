import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { PrivateBus } from '../contract/guest-agent/private-bus.ts';
import { killed } from '../contract/guest-agent/spawn-mortal.ts';
import { startAvahi } from '../contract/presence/avahi-daemon.ts';
import { MockedLogind } from '../contract/presence/mocked-logind.ts';
import { Lab, provideGuestWithAgent } from '../lab/lab.ts';
import { onlyCopy, seenBy } from './copies.ts';
import { WdockWatch } from './wdock-watch.ts';

const within = (ms: number) => AbortSignal.timeout(ms);
const tripLimitMs = 300_000;
const silent = () => undefined;
const nearForS = 6;

/** On the MID. The PC has what is shipped, and sends a visitor home before it sleeps. */
const docksByItself = `version: 1
triggers:
  dock: auto
  nearFor: ${nearForS} s
`;

/** One life of one VM; each test begins where the one before it ended. */
describe('a device whose policy docks by itself', () => {
  let stack: AsyncDisposableStack;
  let lab: Lab;
  let logind: MockedLogind;
  let watch: WdockWatch;

  beforeAll(async () => {
    stack = new AsyncDisposableStack();
    const signal = within(14 * 60_000);
    const guest = await provideGuestWithAgent(silent, signal);
    const midBus = stack.use(await PrivateBus.start('open'));
    logind = stack.use(await MockedLogind.start(10 * 60_000));
    const buses = { mid: midBus.address, pc: logind.bus.address };
    const options = { link: 'unshaped', pc: 'twin', systemBuses: buses, progress: silent } as const;
    lab = stack.use(await Lab.start(guest, options, signal));
    await lab.network.cutLink('mid', signal);
    await lab.loseAddresses(signal);
    for (const name of ['mid', 'pc'] as const) {
      const avahi = await startAvahi({
        enter: lab.network[name].enter([]),
        bus: buses[name],
        configFile: join(lab[name].folder, 'avahi.conf'),
        hostName: name,
      });
      stack.defer(() => killed(avahi));
    }
    watch = stack.use(new WdockWatch(lab.mid));
    await lab.setDevicePolicy(lab.mid, docksByItself);
    await lab.mid.wdock(['triggers'], signal); // reads the policies anew
  });

  afterAll(async () => {
    await stack?.disposeAsync();
  });

  const tellOnFailure = () =>
    onTestFailed(() => {
      for (const host of [lab.mid, lab.pc]) console.error(host.name, host.log.slice(-30).join('\n'));
    });

  it('stays alone while nobody is there', async () => {
    const away = { devices: expect.arrayContaining([expect.objectContaining({ presence: isAway })]) };
    await expect
      .poll(() => lab.mid.wdock(['devices'], within(10_000)), { timeout: 60_000 })
      .toMatchObject(away);
    expect(await seenBy(lab.mid, within(10_000))).toMatchObject({ state: 'here' });
  });

  it('docks when the PC, whose address it does not know, is heard and the link has been good for a while', async () => {
    tellOnFailure();
    await lab.network.restoreLink('mid', within(10_000));
    const ends = within(tripLimitMs);
    const near = await watch.saw((event) => event.kind === 'presence' && event.status.state === 'near', ends);
    const started = await watch.saw(
      (event) => event.kind === 'trip' && event.event.kind === 'trip-started',
      ends,
    );
    expect(started.at - near.at).toBeGreaterThanOrEqual(nearForS * 1000 - 500);
    await watch.saw((event) => event.kind === 'trip' && event.event.kind === 'trip-done', ends);
    expect((await onlyCopy(lab)).host).toBe('pc');
  });

  it('has its VM back before the PC that was sent to sleep sleeps', async () => {
    tellOnFailure();
    await expect.poll(() => logind.inhibitors(), { timeout: 60_000 }).toContain(inhibitor);
    await logind.prepareFor('Sleep', true);
    let states: unknown[] = [];
    await expect
      .poll(
        async () => {
          // In this order: what holds the PC awake is looked at before what has to be so by then.
          const awake = await logind.inhibitors();
          states = [(await seenBy(lab.mid, within(20_000)))?.state, awake.includes(inhibitor)];
          return awake;
        },
        { timeout: tripLimitMs, interval: 100 },
      )
      .not.toContain(inhibitor);
    expect(states).toEqual(['here', false]);
    expect((await onlyCopy(lab)).host).toBe('mid');
  });
});

const isAway = expect.objectContaining({ state: 'away' });
const inhibitor = 'sleep:shutdown delay Wireless Dock';
