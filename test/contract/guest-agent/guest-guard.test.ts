import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { agentBusName, agentPath } from '../../../guest-agent/dbus/agent-interface.ts';
import { DbusConnection } from '../../../guest-agent/dbus/dbus-connection.ts';
import { plainDbusValue } from '../../../guest-agent/dbus/dbus-value.ts';
import { AgentProcess, PortStandIn } from './agent-under-test.ts';
import { KeyringStandIn, SystemStandIn } from './guarded-guest.ts';
import { PrivateBus } from './private-bus.ts';

const guarded = { guarded: true, lock: true, unmount: ['/home/me/private'] };
const free = { guarded: false, lock: false, unmount: [] };
const privateUnit = 'home-me-private.mount';

interface Wish {
  readonly mounts?: readonly string[];
  /** A session's helper runs, on a bus with this keyring. */
  readonly keyring?: 'locks' | 'stubborn';
}

/** Agent and host, logind and systemd, and on a bus of its own a user's session. */
async function start({ mounts = [privateUnit], keyring }: Wish = {}) {
  await using stack = new AsyncDisposableStack();
  const bus = stack.use(await PrivateBus.start('open'));
  const system = stack.use(await SystemStandIn.start(bus.address, mounts));
  const port = stack.use(await PortStandIn.create());
  const plugged = port.plug();
  let agent = stack.use(await AgentProcess.system(port.device, bus.address, bus.folder));
  let host = stack.use(await plugged);
  await host.greet('session-1');
  let secrets: KeyringStandIn | undefined;
  if (keyring !== undefined) {
    const session = stack.use(await PrivateBus.start('open'));
    secrets = stack.use(await KeyringStandIn.start(session.address, keyring === 'stubborn'));
    stack.use(
      new AgentProcess(['session'], {
        DBUS_SYSTEM_BUS_ADDRESS: bus.address,
        DBUS_SESSION_BUS_ADDRESS: session.address,
      }),
    );
    await host.message((one) => one['event'] === 'session-appeared');
  }
  const all = stack.move();
  return {
    system,
    secrets,
    get host() {
      return host;
    },
    /** What an application is told. */
    async isGuarded(): Promise<unknown> {
      await using client = new DbusConnection(bus.address);
      const target = { destination: agentBusName, path: agentPath, interface: agentBusName };
      return plainDbusValue(await client.getProperty(target, 'Guarded', AbortSignal.timeout(20_000)));
    },
    /** Kills the agent, and starts it again as systemd does. */
    async restart(): Promise<void> {
      await agent[Symbol.asyncDispose]();
      const again = port.plug();
      const [root, state] = [join(bus.folder, 'root'), join(bus.folder, 'state/state.json')];
      const argv = ['system', '--port', port.device, '--root', root, '--state', state];
      agent = all.use(new AgentProcess(argv, { DBUS_SYSTEM_BUS_ADDRESS: bus.address }));
      host = all.use(await again);
      await host.greet('session-2');
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

describe('a guest that goes to a kiosk', { timeout: 60_000 }, () => {
  it('says what it could not take away, and keeps nothing of it to mount again', async () => {
    await using guest = await start();
    guest.system.busy.add(privateUnit);
    expect(await guest.host.call('apply-guard', guarded)).toEqual({
      problems: [
        expect.stringContaining('/home/me/private is still mounted (home-me-private.mount: failed)'),
      ],
    });
    guest.system.busy.clear();
    guest.system.mounts.set(privateUnit, false); // by the user
    expect(await guest.host.call('apply-guard', free)).toEqual({ problems: [] });
    expect(guest.system.mounts.get(privateUnit)).toBe(false);
  });

  it('names a keyring that did not lock, and what is no mount point', async () => {
    await using guest = await start({ keyring: 'stubborn' });
    const { problems } = await guest.host.call('apply-guard', { ...guarded, unmount: ['/'] });
    expect(problems).toEqual([
      'the keyring "stubborn" did not lock',
      '"/" is no mount point that can be taken away',
    ]);
  });

  it('locks sessions and keyrings, unmounts what is named, and tells applications', async () => {
    await using guest = await start({ keyring: 'locks', mounts: [privateUnit, 'srv.mount'] });
    expect(await guest.isGuarded()).toBe(false);
    expect(await guest.host.call('apply-guard', guarded)).toEqual({ problems: [] });
    expect(guest.system.sessionsLocked).toBe(1);
    expect([...(guest.secrets?.locked ?? [])]).toEqual(['/org/freedesktop/secrets/collection/login']);
    expect(Object.fromEntries(guest.system.mounts)).toEqual({ [privateUnit]: false, 'srv.mount': true });
    expect(await guest.isGuarded()).toBe(true);
  });

  it('locks nothing where its policy says so', async () => {
    await using guest = await start({ keyring: 'locks' });
    await guest.host.call('apply-guard', { ...guarded, lock: false });
    expect(guest.system.sessionsLocked).toBe(0);
    expect(guest.secrets?.locked.size).toBe(0);
  });

  it('has its mounts again on a device of its user, also when its agent was restarted meanwhile', async () => {
    await using guest = await start();
    await guest.host.call('apply-guard', guarded);
    await guest.restart();
    expect(await guest.isGuarded()).toBe(true);
    expect(await guest.host.call('apply-guard', free)).toEqual({ problems: [] });
    expect(guest.system.mounts.get(privateUnit)).toBe(true);
    expect(await guest.isGuarded()).toBe(false);
  });

  it('mounts nothing that it has not unmounted', async () => {
    await using guest = await start();
    guest.system.mounts.set(privateUnit, false);
    expect(await guest.host.call('apply-guard', guarded)).toEqual({ problems: [] });
    await guest.host.call('apply-guard', free);
    expect(guest.system.mounts.get(privateUnit)).toBe(false);
  });
});
