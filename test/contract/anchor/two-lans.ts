import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type NetworkBinding, tapHardwareAddress } from '../../../host-plugins/system/network/binding.ts';
import { linkLocalAddress } from '../../../host-plugins/system/network/tap-settings.ts';
import { anchorTapName } from '../../../host-plugins/workspace/paths.ts';
import { DockError, type DockErrorData } from '../../../protocol/dock-error.ts';
import { guestMac, Namespace, until } from '../plugins/network-fixture.ts';

export const guestTap = 'wd-work';
export const carryingTap = anchorTapName.carrying('work');
export const anchoringTap = anchorTapName.anchoring('work');
/** The guest's address on LAN A, and the one that it gets on LAN B. */
export const oldAddress = '10.77.0.50';
export const newAddress = '10.78.0.50';
export const oldAddress6 = 'fd00:77::50';
export const newAddress6 = 'fd00:78::50';
export const clientA = '10.77.0.100';
export const clientA6 = 'fd00:77::100';
export const clientB = '10.78.0.100';

interface Self {
  readonly name: string;
  readonly id: string;
  readonly certificatePem: string;
  readonly address: string;
}

/** A device: a namespace, and in it a process with channels, HostNetwork and the ends of an anchor. */
export class AnchorDevice implements AsyncDisposable {
  readonly namespace: Namespace;
  readonly runtimeFolder: string;
  readonly #name: string;
  readonly #address: string;
  #lives = 0;
  #child: ChildProcessWithoutNullStreams | undefined;
  #lines: Interface | undefined;
  #ended: Promise<never> = new Promise(() => undefined);
  #waiting: ((line: string) => void)[] = [];

  private constructor(name: string, address: string, namespace: Namespace, runtimeFolder: string) {
    this.#name = name;
    this.#address = address;
    this.namespace = namespace;
    this.runtimeFolder = runtimeFolder;
  }

  static async create(name: string, address: string): Promise<AnchorDevice> {
    return new AnchorDevice(
      name,
      address,
      await Namespace.create(name),
      await mkdtemp(join(tmpdir(), 'wdp-')),
    );
  }

  /** Each life of the process is another device: it makes its own identity. */
  async start(): Promise<void> {
    this.#lives++;
    const script = fileURLToPath(new URL('./anchor-child.ts', import.meta.url));
    const argv = ['netns', 'exec', this.namespace.name, process.execPath, script];
    const ready = new Promise<string>((resolve) => this.#waiting.push(resolve));
    this.#child = spawn('ip', [...argv, `${this.#name}${this.#lives}`, this.#address, this.runtimeFolder], {
      // What it makes for itself is removed with the folder: it may be killed.
      env: { ...process.env, TMPDIR: this.runtimeFolder },
    });
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#lines.on('line', (line) => this.#waiting.shift()?.(line));
    this.#child.stderr.pipe(process.stderr);
    const ended = once(this.#child, 'exit').then(() => {
      throw new Error(`the process of ${this.#name} has ended`);
    });
    ended.catch(() => undefined);
    this.#ended = ended;
    await Promise.race([ready, ended]);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async call<T = void>(method: string, ...params: unknown[]): Promise<T> {
    const answer = new Promise<string>((resolve) => {
      this.#waiting.push(resolve);
      this.#child?.stdin.write(`${JSON.stringify({ method, params })}\n`);
    });
    const line = await Promise.race([answer, this.#ended]);
    const { result, error } = JSON.parse(line) as { result: T; error?: DockErrorData };
    if (error !== undefined) throw new DockError(error.kind, error.message, error);
    return result;
  }

  /** Waits until the end here has told something. */
  async untilTold(what: RegExp): Promise<void> {
    const said: string[] = [];
    const end = performance.now() + 30_000;
    while (!said.some((line) => what.test(line))) {
      if (performance.now() > end) {
        throw new Error(`${this.#name} said ${JSON.stringify(said)}, and nothing like ${what}`);
      }
      await delay(50);
      said.push(...(await this.call<string[]>('told')));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.namespace[Symbol.asyncDispose]();
    await rm(this.runtimeFolder, { recursive: true, force: true });
  }
}

/**
 * Two LANs with a router between them: on A the device `mobile` and a client, on B the device `desktop`, which has a
 * bridge, and a client. The guest is a namespace whose cable is brought to the tap of the device that it is on.
 */
export class TwoLans implements AsyncDisposable {
  readonly #cleanup: AsyncDisposableStack;
  readonly router: Namespace;
  readonly clientA: Namespace;
  readonly clientB: Namespace;
  readonly guest: Namespace;
  readonly mobile: AnchorDevice;
  readonly desktop: AnchorDevice;
  /** Where the cable's end is. */
  #holder: Namespace;

  private constructor(
    cleanup: AsyncDisposableStack,
    parts: Pick<TwoLans, 'router' | 'clientA' | 'clientB' | 'guest' | 'mobile' | 'desktop'>,
  ) {
    this.#cleanup = cleanup;
    this.router = parts.router;
    this.clientA = parts.clientA;
    this.clientB = parts.clientB;
    this.guest = parts.guest;
    this.mobile = parts.mobile;
    this.desktop = parts.desktop;
    this.#holder = parts.guest;
  }

  static async create(): Promise<TwoLans> {
    await using cleanup = new AsyncDisposableStack();
    const keep = <T extends AsyncDisposable>(part: T): T => cleanup.use(part);
    const parts = {
      router: keep(await Namespace.create('router')),
      clientA: keep(await Namespace.create('clienta')),
      clientB: keep(await Namespace.create('clientb')),
      guest: keep(await Namespace.create('guest')),
      mobile: keep(await AnchorDevice.create('mobile', '10.77.0.11')),
      desktop: keep(await AnchorDevice.create('desktop', '10.78.0.12')),
    };
    const lans = new TwoLans(cleanup.move(), parts);
    try {
      await lans.#wire();
      return lans;
    } catch (error) {
      await lans[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #wire(): Promise<void> {
    const { router, clientA: a, clientB: b, guest, mobile, desktop } = this;
    for (const [lan, digits] of [
      ['lana', '77'],
      ['lanb', '78'],
    ] as const) {
      await router.run('ip', 'link', 'add', lan, 'type', 'bridge');
      await router.run('ip', 'link', 'set', lan, 'up');
      await router.run('ip', 'address', 'add', `10.${digits}.0.1/24`, 'dev', lan);
      await router.run('ip', 'address', 'add', `fd00:${digits}::1/64`, 'dev', lan, 'nodad');
    }
    await router.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    await router.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding');
    await this.#plugIn(a, 'eth0', 'lana', 'clienta');
    await this.#plugIn(b, 'eth0', 'lanb', 'clientb');
    await this.#plugIn(mobile.namespace, 'wlan0', 'lana', 'mobile');
    await this.#plugIn(desktop.namespace, 'eth0', 'lanb', 'desktop');
    await desktop.namespace.run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    await desktop.namespace.run('ip', 'link', 'set', 'eth0', 'master', 'br0');
    await desktop.namespace.run('ip', 'link', 'set', 'br0', 'up');
    await this.#address(a, 'eth0', '77', clientA);
    await this.#address(b, 'eth0', '78', clientB);
    await this.#address(mobile.namespace, 'wlan0', '77', '10.77.0.11');
    await this.#address(desktop.namespace, 'br0', '78', '10.78.0.12');
    const cable = ['name', guestTap, 'address', tapHardwareAddress(guestMac)];
    await guest.run('ip', 'link', 'add', 'eth0', 'address', guestMac, 'type', 'veth', 'peer', ...cable);
    await guest.run('ip', 'link', 'set', 'eth0', 'up');
    await this.#address(guest, 'eth0', '77', oldAddress);
    await guest.setting('conf/eth0/arp_evict_nocarrier', '0');
    // Strict, as many distributions have it for whoever routes.
    for (const host of [mobile.namespace, desktop.namespace]) await host.setting('conf/all/rp_filter', '1');
    await mobile.start();
    await desktop.start();
    await this.pair();
  }

  /** Again after one of them was started anew. */
  async pair(): Promise<void> {
    const { mobile, desktop } = this;
    const selves = { mobile: await mobile.call<Self>('self'), desktop: await desktop.call<Self>('self') };
    await mobile.call('trust', selves.desktop);
    await desktop.call('trust', selves.mobile);
  }

  async #plugIn(host: Namespace, name: string, lan: string, port: string): Promise<void> {
    const { router } = this;
    await host.run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', port, 'netns', router.name);
    await host.run('ip', 'link', 'set', name, 'up');
    await router.run('ip', 'link', 'set', port, 'master', lan);
    await router.run('ip', 'link', 'set', port, 'up');
  }

  async #address(host: Namespace, device: string, digits: string, address: string): Promise<void> {
    await host.run('ip', 'address', 'add', `${address}/24`, 'dev', device);
    await host.run('ip', 'route', 'add', 'default', 'via', `10.${digits}.0.1`);
    const address6 = `fd00:${digits}::${address.split('.').at(-1)}`;
    await host.run('ip', 'address', 'add', `${address6}/64`, 'dev', device, 'nodad');
    await host.run('ip', '-6', 'route', 'add', 'default', 'via', `fd00:${digits}::1`);
  }

  /**
   * The guest runs on this device now. Its cable's end takes the place of the VM's tap; as a VM does, it leaves
   * checksums and the cutting of large segments to whoever sends its packets out.
   */
  async moveGuest(device: AnchorDevice): Promise<void> {
    const to = device.namespace;
    await this.#holder.run('ip', 'link', 'set', guestTap, 'netns', to.name);
    this.#holder = to;
    await to.run('sh', '-c', `echo 1 > /proc/sys/net/ipv6/conf/${guestTap}/disable_ipv6`);
    await to.run('ip', 'link', 'set', guestTap, 'up');
    await until(async () => /LOWER_UP/.test(await this.guest.run('ip', 'link', 'show', 'dev', 'eth0')));
  }

  /** As the agent does behind a host that routes: its own address, and the tap as the router. */
  async routeGuestIpv6(): Promise<void> {
    const { guest } = this;
    await guest.run('ip', 'address', 'delete', `${oldAddress6}/64`, 'dev', 'eth0');
    await guest.run('ip', 'address', 'add', `${oldAddress6}/128`, 'dev', 'eth0', 'nodad');
    const tap = linkLocalAddress(tapHardwareAddress(guestMac));
    await guest.run('ip', '-6', 'route', 'replace', 'default', 'via', tap, 'dev', 'eth0');
  }

  /** As the agent does on another LAN: the old address alone, the new one with its route. */
  async readdressGuest(): Promise<void> {
    const { guest } = this;
    await guest.run('ip', 'address', 'replace', `${newAddress}/24`, 'dev', 'eth0');
    await guest.run('ip', 'address', 'delete', `${oldAddress}/24`, 'dev', 'eth0');
    await guest.run('ip', 'address', 'delete', `${oldAddress6}/128`, 'dev', 'eth0');
    await guest.run('ip', 'address', 'add', `${oldAddress}/32`, 'dev', 'eth0');
    await guest.run('ip', 'route', 'replace', 'default', 'via', '10.78.0.1', 'src', newAddress);
    await guest.run('ip', 'address', 'replace', `${newAddress6}/64`, 'dev', 'eth0', 'nodad');
    await guest.run(
      'ip',
      'address',
      'add',
      `${oldAddress6}/128`,
      'dev',
      'eth0',
      'nodad',
      'preferred_lft',
      '0',
    );
    await guest.run('ip', '-6', 'route', 'replace', 'default', 'via', 'fd00:78::1');
    await guest.run('ip', 'neigh', 'flush', 'dev', 'eth0');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup.disposeAsync();
  }
}

export const routedOnMobile: NetworkBinding = {
  mode: 'routed',
  tap: guestTap,
  uplink: 'wlan0',
  guestAddresses: [oldAddress, oldAddress6],
};
export const bridgedOnDesktop: NetworkBinding = { mode: 'bridged', tap: guestTap, bridge: 'br0' };

/** A TCP connection with a line now and then: `say` sends one from its client to the guest and waits for the echo. */
export class Conversation implements AsyncDisposable {
  readonly #children: ChildProcessWithoutNullStreams[];
  readonly #lines: Interface;
  readonly #client: ChildProcessWithoutNullStreams;

  private constructor(server: ChildProcessWithoutNullStreams, client: ChildProcessWithoutNullStreams) {
    this.#children = [client, server];
    this.#client = client;
    this.#lines = createInterface({ input: client.stdout });
  }

  static async open(
    guest: Namespace,
    client: Namespace,
    address: string,
    port: number,
  ): Promise<Conversation> {
    const server = spawn('ip', [
      'netns',
      'exec',
      guest.name,
      'socat',
      `TCP6-LISTEN:${port},ipv6only=0`,
      'EXEC:cat',
    ]);
    await until(async () => (await guest.run('ss', '-ltn')).includes(`:${port}`));
    const caller = spawn('ip', [
      'netns',
      'exec',
      client.name,
      'socat',
      '-',
      address.includes(':') ? `TCP6:[${address}]:${port}` : `TCP4:${address}:${port}`,
    ]);
    for (const child of [server, caller]) child.stderr.pipe(process.stderr);
    const conversation = new Conversation(server, caller);
    await conversation.say('hello');
    return conversation;
  }

  /** Fails when the echo is not there within 60 s; TCP repeats what was lost, each time later. */
  async say(text: string): Promise<void> {
    const line = once(this.#lines, 'line', { signal: AbortSignal.timeout(60_000) });
    this.#client.stdin.write(`${text}\n`);
    const [echo] = (await line) as [string];
    if (echo !== text) throw new Error(`sent ${text}, and ${echo} came back`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }),
    );
  }
}
