import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { Check } from '../../../protocol/control-methods.ts';
import { temporaryFolder } from '../../unit/pairing/temporary-folder.ts';
import { Running } from '../daemon/processes.ts';
import { PrivateBus } from '../guest-agent/private-bus.ts';
import { nameTaken } from './bus-events.ts';
import { hostName, member } from './busctl.ts';
import { PolkitDaemon } from './polkit-daemon.ts';

vi.setConfig({ testTimeout: 120_000 }); // processes, and all that wdock doctor looks at, on a machine that may be busy

const project = join(import.meta.dirname, '../../..');
const program = (name: 'daemon' | 'cli') => join(project, 'host-plugins', name, 'main.ts');

/** The real wdockd, which plays another device. */
async function realWdockd(systemBus: string) {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const config = join(folder.path, 'wdockd.yaml');
  const profile = join(project, 'test/lab/profiles/mid.yaml');
  await writeFile(
    config,
    `device: {class: mid}\nstateFolder: state\nruntimeFolder: run\nprofile: ${profile}\nlisten: {address: 127.0.0.1, port: 0}\nidentity: {tpm: off}\n`,
  );
  const environment = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: systemBus };
  const daemon = stack.use(
    new Running([process.execPath, program('daemon'), '--config', config], environment),
  );
  await daemon.printed('"msg":"ready"');
  const kept = stack.move();
  return {
    /** What `wdock doctor` says of the bus. */
    async check(): Promise<Check | undefined> {
      const argv = [process.execPath, program('cli'), '--config', config, '--json', 'doctor'];
      const { out } = await new Running(argv).ended;
      const { checks } = JSON.parse(out) as { checks: Check[] };
      return checks.find(({ name }) => name === 'system bus');
    },
    daemon,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

it('wdock doctor says that there is no bus, that another has the name, that polkit is missing, or that all is well', async () => {
  await using bus = await PrivateBus.start('system');
  await bus.kill();
  await using first = await realWdockd(bus.address);
  await first.daemon.printed('is not served; wdock works without it');
  expect(await first.check()).toMatchObject({
    state: 'warning',
    detail: expect.stringContaining('no message bus'),
    remedy: expect.stringContaining('systemctl start dbus'),
  });

  await bus.resume();
  await nameTaken(bus.address, hostName, AbortSignal.timeout(60_000));
  await first.daemon.printed(`${hostName} is served"`);
  expect(await first.check()).toMatchObject({ state: 'warning', remedy: 'apt install polkitd' });

  await using second = await realWdockd(bus.address);
  await second.daemon.printed('is not served; wdock works without it');
  expect(await second.check()).toMatchObject({
    state: 'warning',
    detail: expect.stringContaining('another process owns'),
  });

  await using _ = await PolkitDaemon.start(bus.address, member);
  expect(await first.check()).toMatchObject({ state: 'ok' });
});
