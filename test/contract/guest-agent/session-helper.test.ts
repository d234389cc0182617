import type { ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DbusConnection } from '../../../guest-agent/dbus/dbus-connection.ts';
import { AgentProcess, PortStandIn } from './agent-under-test.ts';
import { PrivateBus } from './private-bus.ts';
import { killed, spawnMortal } from './spawn-mortal.ts';

const mutterName = 'org.gnome.Mutter.DisplayConfig';

/** A real Mutter without a screen, on a session bus of its own. Its monitors have one mode each. */
class Compositor implements AsyncDisposable {
  readonly session: PrivateBus;
  readonly #folder: string;
  #mutter: ChildProcess | undefined;

  private constructor(session: PrivateBus, folder: string) {
    this.session = session;
    this.#folder = folder;
  }

  static async start(...monitors: string[]): Promise<Compositor> {
    const folder = await mkdtemp(join(tmpdir(), 'wdock-mutter-'));
    await chmod(folder, 0o700);
    const compositor = new Compositor(await PrivateBus.start('open'), folder);
    await compositor.show(...monitors);
    return compositor;
  }

  async show(...monitors: string[]): Promise<void> {
    this.#mutter = spawnMortal(
      [
        'mutter',
        '--headless',
        '--wayland',
        '--no-x11',
        ...monitors.flatMap((size) => ['--virtual-monitor', size]),
      ],
      {
        env: {
          ...process.env,
          XDG_RUNTIME_DIR: this.#folder,
          DBUS_SESSION_BUS_ADDRESS: this.session.address,
          DBUS_SYSTEM_BUS_ADDRESS: this.session.address,
        },
        stdio: 'ignore',
      },
    );
    await using watcher = new DbusConnection(this.session.address);
    await new Promise<void>((resolve) => {
      watcher.listenToOwner(mutterName, (owner) => owner !== undefined && resolve());
      void watcher.ownerOf(mutterName, AbortSignal.timeout(20_000)).then((owner) => owner && resolve());
    });
  }

  async end(): Promise<void> {
    if (this.#mutter !== undefined) await killed(this.#mutter);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await this.session[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Agent, helper and host, and no compositor yet. */
async function startAgent(sessionBus: string) {
  await using stack = new AsyncDisposableStack();
  const bus = stack.use(await PrivateBus.start('system'));
  const port = stack.use(await PortStandIn.create());
  const plugged = port.plug();
  stack.use(await AgentProcess.system(port.device, bus.address, bus.folder));
  const host = stack.use(await plugged);
  await host.greet('session-1');
  const helper = stack.use(
    new AgentProcess(['session'], {
      DBUS_SYSTEM_BUS_ADDRESS: bus.address,
      DBUS_SESSION_BUS_ADDRESS: sessionBus,
    }),
  );
  await host.message((one) => one['event'] === 'session-appeared');
  const all = stack.move();
  return { host, helper, bus, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

const small = { widthPx: 1024, heightPx: 600, widthMm: 125, heightMm: 73, scale: 1 };
const large = { widthPx: 2560, heightPx: 1440, widthMm: 597, heightMm: 336, scale: 2 };

describe("the helper in a user's session", { timeout: 60_000 }, () => {
  it('says that no compositor runs, and finds one that comes later', async () => {
    await using compositor = await Compositor.start('1024x600');
    await compositor.end();
    await using agent = await startAgent(compositor.session.address);
    const { problems } = await agent.host.call('apply-display', small);
    expect(problems).toEqual([expect.stringContaining('no compositor that the agent can drive')]);
    expect((await agent.host.call('observe', {})).notes).toContainEqual(
      expect.stringContaining('no compositor'),
    );
    await compositor.show('1024x600');
    expect((await agent.host.call('observe', {})).display).toMatchObject({
      widthPx: 1024,
      heightPx: 600,
      scale: 1,
    });
  });

  it('switches Mutter to the wished size and scale, and back, and reads them there', async () => {
    await using compositor = await Compositor.start('1024x600', '2560x1440');
    await using agent = await startAgent(compositor.session.address);
    expect(await agent.host.call('apply-display', large)).toEqual({ problems: [] });
    expect((await agent.host.call('observe', {})).display).toMatchObject({
      widthPx: 2560,
      heightPx: 1440,
      scale: 2,
    });
    expect(await agent.host.call('apply-display', small)).toEqual({ problems: [] });
    expect((await agent.host.call('observe', {})).display).toMatchObject({
      widthPx: 1024,
      heightPx: 600,
      scale: 1,
    });
  });

  it('says which scale it could have, where Mutter has not the wished one', async () => {
    await using compositor = await Compositor.start('2560x1440');
    await using agent = await startAgent(compositor.session.address);
    const { problems } = await agent.host.call('apply-display', { ...large, scale: 4 });
    expect(problems).toEqual([expect.stringMatching(/no scale of 4 for 2560x1440 \(it has .*\); it got 3/)]);
    expect((await agent.host.call('observe', {})).display?.scale).toBe(3);
  });

  it('waits for a size that Mutter does not offer, and then says so', async () => {
    await using compositor = await Compositor.start('1024x600');
    await using agent = await startAgent(compositor.session.address);
    const { problems } = await agent.host.call('apply-display', large);
    expect(problems[0]).toBe('the compositor offers no mode of 2560x1440; it got 1024x600');
  });

  it('is missed when it ends, and comes back by itself when the bus does', async () => {
    await using compositor = await Compositor.start('1024x600');
    await using agent = await startAgent(compositor.session.address);
    await agent.bus.kill();
    await agent.bus.resume();
    let seen: unknown;
    // It registers once the agent has its name again; nothing tells a host that is not asked into a new session.
    for (let asked = 0; seen === undefined && asked < 50; asked++) {
      seen = (await agent.host.call('observe', {})).display;
    }
    expect(seen).toMatchObject({ widthPx: 1024 });
    await agent.helper.stop();
    await agent.host.message((one) => one['event'] === 'session-gone');
    expect(await agent.host.call('observe', {})).not.toHaveProperty('display');
  });

  it('has no on-screen keyboard to switch on without GNOME Shell', async () => {
    await using compositor = await Compositor.start('1024x600');
    await using agent = await startAgent(compositor.session.address);
    expect(await agent.host.call('apply-input', { onScreenKeyboard: false })).toEqual({ problems: [] });
    expect((await agent.host.call('apply-input', { onScreenKeyboard: true })).problems).toHaveLength(1);
  });
});
