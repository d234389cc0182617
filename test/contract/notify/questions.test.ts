import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Running } from '../daemon/processes.ts';
import { PrivateBus } from '../guest-agent/private-bus.ts';
import { member, stranger } from '../host-bus/busctl.ts';
import { PolkitDaemon } from '../host-bus/polkit-daemon.ts';
import { AskingWdockd } from '../presence/asking-wdockd.ts';
import { Desktop } from './desktop.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 }); // processes, on a machine that may be busy

const wdock = fileURLToPath(new URL('../../../host-plugins/cli/main.ts', import.meta.url));
const buttons = ['actions', 'body'];
const summary = 'Dock work to pc?';

let stack: AsyncDisposableStack;
let system: PrivateBus;
let session: PrivateBus;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  system = stack.use(await PrivateBus.start('system'));
  session = stack.use(await PrivateBus.start('open'));
});

afterEach(async () => {
  await stack?.disposeAsync();
});

/** A desktop with `wdock notify`, as this user, beside a wdockd that asks. */
async function asked(capabilities: readonly string[], { user = '' } = {}) {
  const desktop = stack.use(await Desktop.start(session.address, capabilities));
  const wdockd = stack.use(await AskingWdockd.start(system.address, '10 min'));
  const environment = [
    `DBUS_SYSTEM_BUS_ADDRESS=${system.address}`,
    `DBUS_SESSION_BUS_ADDRESS=${session.address}`,
  ];
  // The checkout may be where this user cannot read, as in /root.
  const mayRead = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
  const enter = ['setpriv', `--reuid=${user}`, '--regid=nogroup', '--clear-groups', ...mayRead, '--'];
  const argv = ['env', ...environment, process.execPath, wdock, 'notify'];
  stack.use(new Running(user === '' ? argv : [...enter, ...argv]));
  wdockd.link('near');
  const shown = await desktop.until((seen) => seen.summary === summary);
  const answer = (yes: 'yes' | 'no') => wdockd.here.wdock('answer', yes).ended;
  return { desktop, wdockd, shown, answer };
}

describe('a question of a trigger', () => {
  it('whose answer is refused says so to who pressed the button', async () => {
    stack.use(await PolkitDaemon.start(system.address, member));
    const { desktop, shown } = await asked(buttons, { user: stranger });
    desktop.press(shown.id, 'yes');
    const refused = await desktop.until((seen) => seen.summary.startsWith('Not answered'));
    expect(refused).toMatchObject({ summary: 'Not answered: dock of work, pc', actions: [] });
    expect(refused.body).toContain('org.wirelessdock.dock of polkit');
  });

  it('is taken away when it was answered elsewhere', async () => {
    const { desktop, shown, answer } = await asked(buttons);
    expect((await answer('no')).exit).toBe(0);
    await desktop.takenAway(shown.id);
  });

  it('is taken away when nobody has answered in time', async () => {
    const { desktop, wdockd, shown } = await asked(buttons);
    await wdockd.leaves();
    await wdockd.allow('1 s');
    wdockd.link('near');
    const brief = await desktop.until((seen) => seen.summary === summary && seen.id !== shown.id);
    await desktop.takenAway(brief.id);
    const { Next } = await wdockd.until(({ Questions }) => Questions.length === 0);
    expect(Next).toBe('work: dock was declined, or has been tried');
  });

  it('is taken away when it does not hold any more, and is asked anew when it does', async () => {
    const { desktop, wdockd, shown } = await asked(buttons);
    wdockd.link('away');
    await desktop.takenAway(shown.id);
    wdockd.link('near');
    const again = await desktop.until((seen) => seen.summary === summary && seen.id !== shown.id);
    expect(again.replaces).toBe(0);
  });

  it('is taken away when wdockd ends', async () => {
    const { desktop, wdockd, shown } = await asked(buttons);
    wdockd.process.kill('SIGTERM');
    await desktop.takenAway(shown.id);
  });

  it('that is put away is not answered by that', async () => {
    const { desktop, wdockd, shown } = await asked(buttons);
    await desktop.putAway(shown.id);
    const { Questions } = await wdockd.until(() => true);
    expect(Questions).toHaveLength(1);
  });

  it('is declined by its second button', async () => {
    const { desktop, wdockd, shown } = await asked(buttons);
    desktop.press(shown.id, 'no');
    const { Next } = await wdockd.until(({ Questions }) => Questions.length === 0);
    expect(Next).toBe('work: dock was declined, or has been tried');
    await desktop.takenAway(shown.id);
  });

  it('is answered by its first button, and the trip is shown', async () => {
    const { desktop, shown } = await asked(buttons);
    expect(shown.actions).toEqual(['yes', 'Dock', 'no', 'Not now']);
    expect(shown.body).toMatch(/^It is near\. No answer until \S.* is a no\.$/);
    desktop.press(shown.id, 'yes');
    const trip = await desktop.until((seen) => seen.summary === 'Moving work to pc');
    expect(trip.id).not.toBe(shown.id);
    await desktop.takenAway(shown.id);
  });

  it('says what to type where the desktop has no buttons', async () => {
    const { shown } = await asked([]);
    expect(shown.actions).toEqual([]);
    expect(shown.body).toContain('To answer, type: wdock answer yes -w work --device pc (or no)');
  });
});
