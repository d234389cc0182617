import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Running, type WdockdFolder, wdockdFolder } from '../daemon/processes.ts';
import { PrivateBus } from '../guest-agent/private-bus.ts';
import { nameTaken } from '../host-bus/bus-events.ts';
import { Busctl, hostName, workPath } from '../host-bus/busctl.ts';
import { Desktop } from './desktop.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 }); // processes, on a machine that may be busy

const wdock = fileURLToPath(new URL('../../../host-plugins/cli/main.ts', import.meta.url));

let stack: AsyncDisposableStack;
let system: PrivateBus;
let session: PrivateBus;
let here: WdockdFolder;
let busctl: Busctl;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  system = stack.use(await PrivateBus.start('system'));
  session = stack.use(await PrivateBus.start('open'));
  here = stack.use(await wdockdFolder('here', { address: '127.0.0.1', port: 0 }, [], system.address));
  stack.use(await here.start());
  await nameTaken(system.address, hostName, AbortSignal.timeout(30_000));
  busctl = new Busctl(system.address);
});

afterAll(async () => {
  await stack?.disposeAsync();
});

const notifier = () =>
  new Running([process.execPath, wdock, 'notify'], {
    ...process.env,
    DBUS_SYSTEM_BUS_ADDRESS: system.address,
    DBUS_SESSION_BUS_ADDRESS: session.address,
  });

const cancel = () => busctl.call(workPath, '.Workspace', 'Cancel');

it('without a desktop session wdock notify says so', async () => {
  const { DBUS_SESSION_BUS_ADDRESS: _, ...environment } = process.env;
  await using run = new Running([process.execPath, wdock, 'notify'], environment);
  const { exit, err } = await run.ended;
  expect(exit).toBe(1);
  expect(err).toContain('there is no desktop session here');
});

it('where nobody shows notifications wdock notify says so, and goes on', async () => {
  await using run = notifier();
  await busctl.dock('pc');
  await run.printed('org.freedesktop.Notifications');
  await cancel();
  run.kill('SIGTERM');
  expect((await run.ended).exit).toBe(0);
});

it('a trip is one notification with its progress, whose button cancels it', async () => {
  await using desktop = await Desktop.start(session.address, ['actions', 'body', 'body-markup']);
  await using _ = notifier();
  await busctl.dock('pc');
  const shown = await desktop.until(({ percent }) => percent === 47);
  expect(shown).toMatchObject({
    summary: 'Moving work to pc (simulated)',
    body: 'transfer: &lt;half&gt; &amp; more',
    actions: ['cancel', 'Cancel'],
  });
  desktop.press(shown.id, 'cancel');
  const end = await desktop.until(({ summary }) => summary.startsWith('Not moved'));
  expect(end).toMatchObject({ id: shown.id, body: 'Cancelled; it runs on here', actions: [] });
  expect(new Set(desktop.seen.map(({ id }) => id)).size).toBe(1);
  expect(await busctl.property(workPath, '.Workspace', 'Trip')).toBe('o "/"');
});

it('a notification that was put away comes back with the end of the trip, and is plain where markup is not known', async () => {
  await using desktop = await Desktop.start(session.address, []);
  await using _ = notifier();
  await busctl.dock('pc');
  const shown = await desktop.until(({ percent }) => percent === 47);
  expect(shown).toMatchObject({ body: 'transfer: <half> & more', actions: [] });
  await desktop.putAway(shown.id);
  await cancel();
  const end = await desktop.until(({ summary }) => summary.startsWith('Not moved'));
  expect(end.replaces).toBe(0);
});
