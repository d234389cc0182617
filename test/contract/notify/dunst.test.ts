import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import { Running, wdockdFolder } from '../daemon/processes.ts';
import { PrivateBus } from '../guest-agent/private-bus.ts';
import { listenToEnd, nameTaken } from '../host-bus/bus-events.ts';
import { Busctl, hostName } from '../host-bus/busctl.ts';

vi.setConfig({ testTimeout: 60_000 }); // processes, on a machine that may be busy

const wdock = fileURLToPath(new URL('../../../host-plugins/cli/main.ts', import.meta.url));
it('a real notification server shows the progress, and its button cancels the trip', async () => {
  await using system = await PrivateBus.start('system');
  await using session = await PrivateBus.start('open');
  await using here = await wdockdFolder('here', { address: '127.0.0.1', port: 0 }, [], system.address);
  await using _ = await here.start();
  await nameTaken(system.address, hostName, AbortSignal.timeout(30_000));
  // Its display's number goes to standard output when it can be used.
  await using screen = new Running([
    'Xvfb',
    '-displayfd',
    '1',
    '-screen',
    '0',
    '640x480x24',
    '-nolisten',
    'tcp',
  ]);
  let display = '';
  screen.child.stdout?.on('data', (data) => {
    display += String(data);
  });
  await screen.printed('\n');
  const environment = {
    ...process.env,
    DISPLAY: `:${display.trim()}`,
    DBUS_SESSION_BUS_ADDRESS: session.address,
    DBUS_SYSTEM_BUS_ADDRESS: system.address,
  };
  await using dunst = new Running(['dunst', '-conf', '/dev/null', '-print'], environment);
  await nameTaken(session.address, 'org.freedesktop.Notifications', AbortSignal.timeout(30_000));
  await using notifier = new Running([process.execPath, wdock, 'notify'], environment);
  void notifier;

  const ended = listenToEnd(system.address, AbortSignal.timeout(50_000));
  await ended.listening;
  await new Busctl(system.address).dock('pc');
  await dunst.printed('progress: 47');
  await using press = new Running(['dunstctl', 'action', '0'], environment);
  expect((await press.ended).exit).toBe(0);
  expect((await ended.body)[0]).toBe('cancelled');
  await dunst.printed('Not moved: work to pc');
});
