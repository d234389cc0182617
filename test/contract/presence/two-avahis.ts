import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TrustStore } from '../../../host-plugins/pairing/trust-store.ts';
import { loadPlainIdentity } from '../../unit/pairing/plain-identity.ts';
import { PrivateBus } from '../guest-agent/private-bus.ts';
import { killed, spawnMortal } from '../guest-agent/spawn-mortal.ts';
import { startAvahi } from './avahi-daemon.ts';
import { Observer } from './observer.ts';

const run = promisify(execFile);

/** What must not be heard on the air. */
export const secretNames = { mid: 'fridas-tablet', pc: 'fridas-office-pc' } as const;
type Name = keyof typeof secretNames;
const addresses = { mid: '192.0.2.1', pc: '192.0.2.2' } as const;

/** Two computers, a cable between them, and on each a system bus of its own, with an avahi-daemon or without. */
export class TwoAvahis implements AsyncDisposable {
  readonly folder: string;
  readonly ids = new Map<string, string>();
  readonly #stack = new AsyncDisposableStack();
  readonly #id = `wda${process.pid.toString(36)}`;
  readonly #buses = new Map<string, PrivateBus>();
  readonly #daemons = new Map<string, ChildProcess>();

  private constructor(folder: string) {
    this.folder = folder;
    this.#stack.defer(() => rm(folder, { recursive: true, force: true }));
  }

  /** @param served who has an avahi-daemon from the beginning */
  static async start(served: readonly Name[] = ['mid', 'pc']): Promise<TwoAvahis> {
    const two = new TwoAvahis(await mkdtemp(join(tmpdir(), 'wdock-avahi-')));
    try {
      await two.#connect();
      for (const name of ['mid', 'pc'] as const) {
        two.#buses.set(name, two.#stack.use(await PrivateBus.start('open')));
        if (served.includes(name)) await two.startAvahi(name);
        two.ids.set(name, (await loadPlainIdentity(two.stateOf(name), secretNames[name])).id);
      }
      return two;
    } catch (error) {
      await two[Symbol.asyncDispose]();
      throw error;
    }
  }

  stateOf(name: string): string {
    return join(this.folder, name);
  }

  namespaceOf(name: string): string {
    return `${this.#id}${name}`;
  }

  /** `on` trusts `other`, as after a pairing. */
  async trust(on: Name, other: Name): Promise<void> {
    const certificate = await readFile(join(this.stateOf(other), 'identity/device.crt'), 'utf8');
    const store = await TrustStore.load(join(this.stateOf(on), 'devices.json'), this.ids.get(on) ?? '');
    await store.add({
      name: secretNames[other],
      certificatePem: certificate,
      fingerprint: this.ids.get(other) ?? '',
      address: '192.0.2.99',
    });
  }

  /** Announces and hears on this computer, and measures links. */
  observe(name: Name, source: 'announcements' | 'links' = 'announcements'): Observer {
    const bus = this.#buses.get(name)?.address ?? '';
    const wish = { source, bus, folder: this.stateOf(name), port: 7441 };
    return this.#stack.use(new Observer(['ip', 'netns', 'exec', this.namespaceOf(name)], wish));
  }

  async startAvahi(name: Name): Promise<void> {
    const daemon = await startAvahi({
      enter: ['ip', 'netns', 'exec', this.namespaceOf(name)],
      bus: this.#buses.get(name)?.address ?? '',
      configFile: join(this.folder, `${name}.conf`),
      hostName: secretNames[name],
    });
    this.#daemons.set(name, daemon);
    this.#stack.defer(() => killed(daemon));
  }

  async stopAvahi(name: Name): Promise<void> {
    const daemon = this.#daemons.get(name);
    if (daemon !== undefined) await killed(daemon);
  }

  /** UDP sockets of this computer, as ss(8) lists them. */
  async boundPorts(name: Name): Promise<string> {
    return (await run('ip', ['netns', 'exec', this.namespaceOf(name), 'ss', '-Huln'])).stdout;
  }

  /** Another program that shares the port with nobody. */
  async holdPort(name: Name, port: number): Promise<void> {
    const enter = ['ip', 'netns', 'exec', this.namespaceOf(name)];
    const socat = spawnMortal(
      [...enter, 'socat', '-d', '-d', '-u', `UDP6-RECV:${port}`, 'CREATE:/dev/null'],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    this.#stack.defer(() => killed(socat));
    await once(socat.stderr as NodeJS.ReadableStream, 'data');
  }

  /** The cable of this computer from now on, as `ip link set eth0 up` and `down` do it. */
  async setCable(name: Name, state: 'up' | 'down'): Promise<void> {
    await run('ip', ['-n', this.namespaceOf(name), 'link', 'set', 'eth0', state]);
  }

  /** Whether there is a cable, seen from this computer. */
  observeCable(name: Name): Observer {
    const enter = ['ip', 'netns', 'exec', this.namespaceOf(name)];
    return this.#stack.use(new Observer(enter, { source: 'cable' }));
  }

  /** Copies all frames of the cable into a file until disposed. */
  async capture(): Promise<{ text(): Promise<string> } & AsyncDisposable> {
    const file = join(this.folder, `frames-${Date.now()}`);
    const enter = ['ip', 'netns', 'exec', this.namespaceOf('pc')];
    const socat = spawnMortal([...enter, 'socat', '-d', '-d', '-u', 'INTERFACE:eth0', `CREATE:${file}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#stack.defer(() => killed(socat));
    await once(socat.stderr as NodeJS.ReadableStream, 'data');
    return {
      text: async () => (await readFile(file)).toString('latin1'),
      [Symbol.asyncDispose]: () => killed(socat),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #connect(): Promise<void> {
    const ip = async (...args: string[]) => await run('ip', args);
    const [mid, pc] = [this.namespaceOf('mid'), this.namespaceOf('pc')];
    for (const namespace of [mid, pc]) {
      await ip('netns', 'add', namespace);
      this.#stack.defer(async () => void (await ip('netns', 'delete', namespace)));
    }
    await ip('link', 'add', 'eth0', 'netns', mid, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pc);
    for (const name of ['mid', 'pc'] as const) {
      const inside = ['-n', this.namespaceOf(name)];
      await ip(...inside, 'address', 'add', `${addresses[name]}/24`, 'dev', 'eth0');
      await ip(...inside, 'link', 'set', 'eth0', 'up');
      await ip(...inside, 'link', 'set', 'lo', 'up');
    }
  }
}
