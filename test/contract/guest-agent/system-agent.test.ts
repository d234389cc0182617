import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { agentBusName, agentPath } from '../../../guest-agent/dbus/agent-interface.ts';
import { DbusConnection } from '../../../guest-agent/dbus/dbus-connection.ts';
import type { DbusSignal } from '../../../guest-agent/dbus/dbus-match.ts';
import { plainDbusValue } from '../../../guest-agent/dbus/dbus-value.ts';
import { encodeAgentFrame } from '../../../protocol/agent-frame.ts';
import { GuestState } from '../../../protocol/guest-state.ts';
import { AgentProcess, PortStandIn } from './agent-under-test.ts';
import { PrivateBus } from './private-bus.ts';
import { killed } from './spawn-mortal.ts';

const run = promisify(execFile);
const limit = () => AbortSignal.timeout(20_000);
const agent = { destination: agentBusName, path: agentPath, interface: agentBusName };
const target = { name: 'mid', deviceClass: 'mid', simulated: true } as const;

/** The agent on a bus like the system's, and a host at the other end of its port. */
async function startAll() {
  await using stack = new AsyncDisposableStack();
  const bus = stack.use(await PrivateBus.start('system'));
  const port = stack.use(await PortStandIn.create());
  const plugged = port.plug();
  const process = stack.use(await AgentProcess.system(port.device, bus.address, bus.folder));
  const host = stack.use(await plugged);
  const client = stack.use(new DbusConnection(bus.address));
  await nameOwned(client);
  const all = stack.move();
  return { bus, port, process, host, client, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

async function nameOwned(client: DbusConnection): Promise<void> {
  const signal = limit();
  await new Promise<void>((resolve, reject) => {
    const stop = client.listenToOwner(agentBusName, (owner) => owner !== undefined && done());
    const done = (): void => {
      stop();
      resolve();
    };
    client.ownerOf(agentBusName, signal).then((owner) => owner !== undefined && done(), reject);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

/** Resolves to the next signal of the agent with this name. */
function nextSignal(client: DbusConnection, member: string): Promise<DbusSignal> {
  return new Promise((resolve) => {
    const stop = client.listen({ sender: agentBusName, member }, (signal) => {
      stop();
      resolve(signal);
    });
  });
}

async function inhibit(client: DbusConnection, who: string): Promise<number> {
  const call = { ...agent, member: 'Inhibit', signature: 'ss', body: [who, 'saving'] };
  const [cookie] = await client.call(call, limit());
  return Number(cookie);
}

describe('the system service', { timeout: 20_000 }, () => {
  it('finds the next whole message after noise, half a frame and a frame of another shape', async () => {
    await using all = await startAll();
    const hello = encodeAgentFrame({
      type: 'host-hello',
      protocol: 1,
      session: 'cut-in-half',
      epoch: 1,
      host: target,
    });
    all.host.socket.write(Buffer.from('WDK1WDK1\u0000\u0001noise'));
    all.host.socket.write(hello.subarray(0, hello.length - 7));
    all.host.send({ type: 'host-hello', session: 17 });
    all.host.send('WDK1');
    const answer = await all.host.greet('session-1');
    expect(answer).toMatchObject({ type: 'guest-hello', session: 'session-1', protocol: 1 });
  });

  it('asks to be greeted when its port is taken away and comes back', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    // Several times: a terminal that has hung up ends reads or fails them, whichever comes first.
    for (let round = 2; round < 8; round++) {
      using again = await all.port.plug();
      await again.message((one) => one['type'] === 'guest-hello' && one['session'] === '');
      await again.greet(`session-${round}`);
      await expect(again.call('cancel-move', {})).resolves.toEqual({});
    }
  });

  it('describes the guest, and says in words what it could not read', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    const state = GuestState.parse(await all.host.call('observe', {}));
    expect(state.vcpus).toEqual({ online: 1, present: 1 });
    expect(state.memory.totalMiB).toBeGreaterThan(0);
    expect(state).not.toHaveProperty('display');
    expect(state.notes).toContainEqual(expect.stringContaining("no user's session has the agent's helper"));
    expect(state.notes).toContainEqual(expect.stringContaining('no host has said yet'));
  });

  it('does without NetworkManager, systemd and a session, and says what is missing', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    const display = { widthPx: 1024, heightPx: 600, widthMm: 0, heightMm: 0, scale: 1 };
    expect((await all.host.call('apply-display', display)).problems).toHaveLength(1);
    expect((await all.host.call('apply-power', { profile: 'balanced' })).problems).toEqual([
      'the guest has no power-profiles-daemon',
    ]);
    expect((await all.host.call('apply-services', { sleep: ['sshd.service'] })).problems).toEqual([]);
    expect((await all.host.call('apply-input', { onScreenKeyboard: false })).problems).toEqual([]);
  });

  it('keeps its host and its name when the bus dies and comes back', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    await all.bus.kill();
    expect((await all.host.call('observe', {})).vcpus.online).toBe(1);
    await all.bus.resume();
    await nameOwned(all.client);
    expect(plainDbusValue(await all.client.getProperty(agent, 'HostName', limit()))).toBe('pc');
  });

  it('waits for who inhibits a move, and no longer', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    const cookie = await inhibit(all.client, 'editor');
    const told = nextSignal(all.client, 'PreparingForMove');
    await all.client.ownerOf(agentBusName, limit());
    const prepared = all.host.call('prepare-move', { target, maxDelayMs: 20_000 });
    expect((await told).body).toEqual([true, 'mid', 'mid']);
    expect(plainDbusValue(await all.client.getProperty(agent, 'Moving', limit()))).toBe(true);
    await all.client.call({ ...agent, member: 'Uninhibit', signature: 'u', body: [cookie] }, limit());
    expect(await prepared).toMatchObject({ delayedBy: ['editor: saving'], expired: false });
  });

  it('lets a move go on without an inhibitor whose holder has left the bus', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    const holder = new DbusConnection(all.bus.address);
    await inhibit(holder, 'player');
    const prepared = all.host.call('prepare-move', { target, maxDelayMs: 20_000 });
    await all.host.message((one) => one['event'] === 'inhibitors-changed');
    await holder[Symbol.asyncDispose]();
    expect(await prepared).toMatchObject({ expired: false });
  });

  it('lets a move go on when the time is over, and says who held it', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    await inhibit(all.client, 'backup');
    const prepared = await all.host.call('prepare-move', { target, maxDelayMs: 30 });
    expect(prepared).toMatchObject({ delayedBy: ['backup: saving'], expired: true });
  });

  it('stops waiting when the move is called off, and tells that too', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    await inhibit(all.client, 'editor');
    const told = nextSignal(all.client, 'PreparingForMove');
    await all.client.ownerOf(agentBusName, limit());
    const prepared = all.host.call('prepare-move', { target, maxDelayMs: 20_000 });
    await told;
    const calledOff = nextSignal(all.client, 'PreparingForMove');
    // The bus has answered before whose signals these are.
    await all.client.ownerOf(agentBusName, limit());
    await all.host.call('cancel-move', {});
    expect((await calledOff).body).toEqual([false, 'mid', 'mid']);
    expect(await prepared).toMatchObject({ expired: false });
  });

  it('tells of a move once, though it is told twice', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    const moves: unknown[] = [];
    all.client.listen({ sender: agentBusName, member: 'Moved' }, ({ body }) => moves.push(body));
    const changes: unknown[] = [];
    all.client.listen({ sender: agentBusName, member: 'PropertiesChanged' }, ({ body }) =>
      changes.push(plainDbusValue(body[1])),
    );
    await all.client.ownerOf(agentBusName, limit());
    await all.host.call('host-changed', { host: target, epoch: 4 });
    await all.host.call('host-changed', { host: target, epoch: 4 });
    // What was sent before an answer has arrived before it.
    await all.client.getProperty(agent, 'Epoch', limit());
    expect(moves).toEqual([['mid', 'mid']]);
    expect(changes.at(-1)).toMatchObject({ HostName: 'mid', HostClass: 'mid', Epoch: 4 });
  });

  it('knows its host again after it was killed', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    await all.host.call('host-changed', { host: target, epoch: 9 });
    await killed(all.process.child);
    await using _ = new AgentProcess(
      [
        'system',
        '--port',
        '/nonexistent',
        '--root',
        `${all.bus.folder}/root`,
        '--state',
        `${all.bus.folder}/state/state.json`,
      ],
      { DBUS_SYSTEM_BUS_ADDRESS: all.bus.address },
    );
    await nameOwned(all.client);
    expect(plainDbusValue(await all.client.getProperty(agent, 'HostName', limit()))).toBe('mid');
  });

  it('ends by the signal that asks it to, though a read of the port does not return', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    expect(await all.process.stop()).toBe('SIGTERM');
  });

  it('does not start beside another agent', async () => {
    await using all = await startAll();
    await using second = new AgentProcess(
      [
        'system',
        '--port',
        '/nonexistent',
        '--root',
        `${all.bus.folder}/root`,
        '--state',
        `${all.bus.folder}/other/s.json`,
      ],
      { DBUS_SYSTEM_BUS_ADDRESS: all.bus.address },
    );
    const [code] = (await once(second.child, 'exit')) as [number];
    expect(code).toBe(1);
    expect(second.output).toContain('another process owns org.wirelessdock.Agent1');
  });

  it('is shown by wdock-agent status, as text and as JSON', async () => {
    await using all = await startAll();
    await all.host.greet('session-1');
    const environment = { DBUS_SYSTEM_BUS_ADDRESS: all.bus.address };
    const show = async (...argv: string[]) => {
      await using status = new AgentProcess(['status', ...argv], environment);
      await once(status.child, 'exit');
      return status.output;
    };
    expect(await show()).toContain('pc (desktop, simulated), epoch 3');
    const view = JSON.parse(await show('--json')) as { guest: unknown };
    expect(GuestState.safeParse(view.guest).success).toBe(true);
  });
});

describe.runIf(process.getuid?.() === 0)(
  'the policy of the bus, for others than root',
  { timeout: 20_000 },
  () => {
    const asNobody = (bus: string, ...call: string[]) =>
      run('setpriv', [
        '--reuid=65534',
        '--regid=65534',
        '--clear-groups',
        'busctl',
        `--address=${bus}`,
        ...call,
      ]);

    it('keeps them from being the agent, and from calling a session', async () => {
      await using all = await startAll();
      await run('chmod', ['755', all.bus.folder]);
      const name = all.client.uniqueName ?? '';
      const call = ['call', name, '/org/wirelessdock/Session1', 'org.wirelessdock.Session1', 'GetDisplay'];
      await expect(asNobody(all.bus.address, ...call)).rejects.toThrow(
        /Access denied|AccessDenied|not allowed/i,
      );
      const own = spawn(
        'setpriv',
        [
          '--reuid=65534',
          '--regid=65534',
          '--clear-groups',
          'busctl',
          `--address=${all.bus.address}`,
          'call',
          'org.freedesktop.DBus',
          '/org/freedesktop/DBus',
          'org.freedesktop.DBus',
          'RequestName',
          'su',
          agentBusName,
          '4',
        ],
        { stdio: 'ignore' },
      );
      const [code] = (await once(own, 'exit')) as [number];
      expect(code).not.toBe(0);
    });

    it('lets them ask where they run, and inhibit', async () => {
      await using all = await startAll();
      await run('chmod', ['755', all.bus.folder]);
      const { stdout } = await asNobody(
        all.bus.address,
        'call',
        agentBusName,
        agentPath,
        agentBusName,
        'Inhibit',
        'ss',
        'me',
        'x',
      );
      expect(stdout).toMatch(/^u \d+/);
    });
  },
);
