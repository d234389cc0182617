import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { NetworkBinding } from '../../../host-plugins/system/network/binding.ts';
import type { StandstillSettings } from '../../../host-plugins/system/network/standstill.ts';
import { run } from '../../../host-plugins/system/process/run.ts';
import { DockError, type DockErrorData } from '../../../protocol/dock-error.ts';

const limitMs = 20_000;
let made = 0;
/** By this process, once. */
let swept: Promise<void> | undefined;

export const closedPort = 7440;
export const guestMac = '52:54:00:aa:bb:01';
export const guestIp = '10.77.0.50';
export const clientIp = '10.77.0.100';
export const guestIp6 = 'fd77::50';
export const clientIp6 = 'fd77::100';
/** The link-local address of the host's end of the guest's tap. */
export const routerIp6 = 'fe80::fc54:ff:feaa:bb01';

/** A network namespace; `run` runs a program in it. Disposing of it takes everything inside along. */
export class Namespace implements AsyncDisposable {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  static async create(role: string): Promise<Namespace> {
    swept ??= Namespace.sweep();
    await swept;
    const namespace = new Namespace(`wdp${process.pid}-${made++}-${role}`);
    await outside('ip', 'netns', 'add', namespace.name);
    // No address of a test is used twice, and looking for that takes a second or two.
    const settings = ['all', 'default'].map((name) => `echo 0 > /proc/sys/net/ipv6/conf/${name}/accept_dad`);
    await namespace.run('sh', '-ec', ['ip link set lo up', ...settings].join('\n'));
    return namespace;
  }

  /** Takes along what tests that were killed have left. */
  static async sweep(): Promise<void> {
    const { stdout } = await outside('ip', 'netns', 'list');
    for (const [name, owner] of stdout.matchAll(/^wdp(\d+)-\S+/gm)) {
      const isAlive = await access(`/proc/${owner}`).then(
        () => true,
        () => false,
      );
      if (!isAlive)
        await Namespace.made(name)
          [Symbol.asyncDispose]()
          .catch(() => undefined); // another test may sweep, too
    }
  }

  /** One that somebody else has made. */
  static made(name: string): Namespace {
    return new Namespace(name);
  }

  async run(...argv: string[]): Promise<string> {
    const [program, ...rest] = argv;
    // A test has hundreds of these: `ip` goes there by itself, without a second program and without mounts of its own.
    const command = program === 'ip' ? ['-n', this.name, ...rest] : ['netns', 'exec', this.name, ...argv];
    return (await outside('ip', ...command)).stdout;
  }

  /** Several commands of `ip`, by one of it. */
  async ip(...commands: string[]): Promise<void> {
    const batch = ['ip', '-n', this.name, '-batch', '-'];
    await run(batch, {
      input: commands.join('\n'),
      timeoutMs: limitMs,
      signal: AbortSignal.timeout(limitMs),
    });
  }

  async setting(name: string, value?: string): Promise<string> {
    const path = `/proc/sys/net/${name.startsWith('ipv6/') ? name : `ipv4/${name}`}`;
    const script = value === undefined ? `cat ${path}` : `echo ${value} > ${path}; cat ${path}`;
    return (await this.run('sh', '-c', script)).trim();
  }

  /** Lost packets of `count` pings, 0.2 s apart. */
  async ping(address: string, count = 3): Promise<number> {
    const script = `ping -n -i 0.2 -c ${count} -W 1 ${address} || true`;
    const received = /(\d+) received/.exec(await this.run('sh', '-c', script))?.[1];
    return count - Number(received ?? 0);
  }

  /** What this host knows of a neighbour's hardware address. */
  async neighbour(address: string): Promise<string | undefined> {
    const entries = JSON.parse((await this.run('ip', '-j', 'neigh', 'show', address)) || '[]') as {
      lladdr?: string;
    }[];
    return entries[0]?.lladdr;
  }

  /** What runs in it, as command lines. */
  async commands(): Promise<string[]> {
    return (await this.#processes()).map(({ command }) => command);
  }

  /** Ends those whose command line begins so. */
  async kill(...beginnings: string[]): Promise<void> {
    const meant = (command: string) => beginnings.some((beginning) => command.startsWith(beginning));
    kill((await this.#processes()).filter(({ command }) => meant(command)));
  }

  async #processes(): Promise<{ pid: number; command: string }[]> {
    const { stdout } = await outside('ip', 'netns', 'pids', this.name);
    const pids = stdout.split('\n').filter((line) => line !== '');
    const found = pids.map(async (pid) => {
      const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''); // ended meanwhile
      return { pid: Number(pid), command: argv.replaceAll('\0', ' ').trim() };
    });
    return Promise.all(found);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What outlives a killed wdockd: a namespace lives on for as long as a process is in it.
    kill(await this.#processes());
    await outside('ip', 'netns', 'delete', this.name).catch(() => {});
  }
}

function kill(processes: readonly { pid: number }[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // ended meanwhile
    }
  }
}

function outside(...argv: string[]) {
  return run(argv, { timeoutMs: limitMs, signal: AbortSignal.timeout(limitMs) });
}

/** A host on the LAN with the product's HostNetwork in a process of its own; `kill` and `start` are its crash. */
export class Host implements AsyncDisposable {
  readonly namespace: Namespace;
  readonly runtimeFolder: string;
  #child: ChildProcessWithoutNullStreams | undefined;
  #lines: Interface | undefined;
  #waiting: ((line: string) => void)[] = [];

  private constructor(namespace: Namespace, runtimeFolder: string) {
    this.namespace = namespace;
    this.runtimeFolder = runtimeFolder;
  }

  static async create(role: string): Promise<Host> {
    return Host.on(await Namespace.create(role));
  }

  /** Its disposal takes the namespace along. */
  static async on(namespace: Namespace): Promise<Host> {
    const host = new Host(namespace, await mkdtemp(join(tmpdir(), 'wdp-')));
    await host.start();
    return host;
  }

  async start(): Promise<void> {
    const script = fileURLToPath(new URL('./host-network-child.ts', import.meta.url));
    const argv = [
      'netns',
      'exec',
      this.namespace.name,
      process.execPath,
      script,
      this.runtimeFolder,
      `${closedPort}`,
    ];
    this.#child = spawn('ip', argv);
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#lines.on('line', (line) => this.#waiting.shift()?.(line));
    this.#child.stderr.pipe(process.stderr);
    await once(this.#child, 'spawn');
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  createTap = (tap: string): Promise<void> => this.#call('createTap', tap, guestMac);
  removeTap = (tap: string): Promise<void> => this.#call('removeTap', tap);
  hardwareAddress = (name: string): Promise<string | undefined> => this.#call('hardwareAddress', name);
  bind = (binding: NetworkBinding): Promise<void> => this.#call('bind', binding);
  servesDhcp = (tap: string): Promise<boolean> => this.#call('servesDhcp', tap);
  withdraw = (tap: string): Promise<void> => this.#call('withdraw', tap);
  readyStandstill = (tap: string): Promise<void> => this.#call('readyStandstill', tap);
  unreadyStandstill = (): Promise<void> => this.#call('unreadyStandstill');
  standStill = (tap: string, settings: StandstillSettings): Promise<void> =>
    this.#call('standStill', tap, settings);
  goOn = (tap: string): Promise<void> => this.#call('goOn', tap);
  announce = (binding: NetworkBinding): Promise<void> =>
    this.#call('announce', binding, guestMac, binding.guestAddresses ?? [guestIp]);
  findTakers = (device: string, addresses: readonly string[]): Promise<[string, string][]> =>
    this.#call('findTakers', device, addresses);
  async join(binding: NetworkBinding): Promise<void> {
    await this.bind(binding);
    await this.announce(binding);
  }

  async #call<T>(method: string, ...params: unknown[]): Promise<T> {
    const line = await new Promise<string>((resolve) => {
      this.#waiting.push(resolve);
      this.#child?.stdin.write(`${JSON.stringify({ method, params })}\n`);
    });
    const { result, error } = JSON.parse(line) as { result: T; error?: DockErrorData };
    if (error !== undefined) throw new DockError(error.kind, error.message);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.namespace[Symbol.asyncDispose]();
    await rm(this.runtimeFolder, { recursive: true, force: true });
  }
}

/**
 * A LAN (a switch), a client on it, and two hosts: `mobile` with one interface `wlan0`, as a Wi-Fi station has
 * it, and `desktop` with `eth0` on the bridge `br0`. The guest is a namespace whose frames are relayed to the tap
 * of the host that it is on, as QEMU would; its neighbour cache stays when it moves, as a moving VM's does.
 */
export class TestLan implements AsyncDisposable {
  readonly #cleanup = new AsyncDisposableStack();
  readonly switch: Namespace;
  readonly client: Namespace;
  readonly guest: Namespace;
  readonly mobile: Host;
  readonly desktop: Host;
  #relay: { child: ChildProcessWithoutNullStreams; namespace: Namespace; tap: string } | undefined;

  private constructor(parts: {
    switch: Namespace;
    client: Namespace;
    guest: Namespace;
    mobile: Host;
    desktop: Host;
  }) {
    this.switch = parts.switch;
    this.client = parts.client;
    this.guest = parts.guest;
    this.mobile = parts.mobile;
    this.desktop = parts.desktop;
  }

  static async create(): Promise<TestLan> {
    const cleanup = new AsyncDisposableStack();
    const keep = <T extends AsyncDisposable>(part: T): T => cleanup.use(part);
    try {
      const lan = new TestLan({
        switch: keep(await Namespace.create('lan')),
        client: keep(await Namespace.create('client')),
        guest: keep(await Namespace.create('guest')),
        mobile: keep(await Host.create('mobile')),
        desktop: keep(await Host.create('desktop')),
      });
      await lan.#wire();
      lan.#cleanup.use(cleanup.move());
      return lan;
    } catch (error) {
      await cleanup.disposeAsync();
      throw error;
    }
  }

  async #wire(): Promise<void> {
    const { switch: lan, client, guest, mobile, desktop } = this;
    const cable = (name: string, port: string) =>
      `link add ${name} up type veth peer name ${port} netns ${lan.name}`;
    const has = (name: string, ip: string, ip6: string) => [
      `address add ${ip}/24 dev ${name}`,
      `address add ${ip6}/64 dev ${name} nodad`,
    ];
    await client.ip(cable('eth0', 'client'), ...has('eth0', clientIp, clientIp6));
    await mobile.namespace.ip(cable('wlan0', 'mobile'), ...has('wlan0', '10.77.0.11', 'fd77::11'));
    await desktop.namespace.ip(
      cable('eth0', 'desktop'),
      'link add br0 up type bridge',
      'link set eth0 master br0',
      ...has('br0', '10.77.0.12', 'fd77::12'),
    );
    await lan.ip(
      'link add sw up type bridge',
      ...['client', 'mobile', 'desktop'].map((port) => `link set ${port} up master sw`),
    );
    await guest.ip(
      // A tap here as well: it sums what it sends, as a real card does, and nothing but the relay sees it.
      'tuntap add dev eth0 mode tap',
      `link set eth0 address ${guestMac}`,
      'link set eth0 up',
      `address add ${guestIp}/24 dev eth0`,
    );
    // A VM that moves sees no loss of carrier, so its neighbour cache stays; this one's tap is closed for a moment.
    await guest.setting('conf/eth0/arp_evict_nocarrier', '0');
    await guest.setting('ipv6/conf/eth0/ndisc_evict_nocarrier', '0');
    // The kernel drops what is sent before it has seen that the cables are plugged in, up to a second later.
    for (const each of [lan, client, mobile.namespace, desktop.namespace]) {
      await until(
        async () => !/state (DOWN|LOWERLAYERDOWN)/.test(await each.run('ip', 'link', 'show', 'up')),
      );
    }
  }

  /** The guest runs on this host now, at this tap. */
  async moveGuest(host: Host, tap: string): Promise<void> {
    await this.#stopRelay();
    const device = (name: string) => `TUN,tun-type=tap,tun-name=${name},iff-no-pi,iff-up`;
    const inside = `ip netns exec ${host.namespace.name} socat - ${device(tap).replaceAll(',', '\\,')}`;
    const child = spawn('ip', [
      ...['netns', 'exec', this.guest.name, 'socat', device('eth0')],
      // A pair of sockets that keeps frames apart, and ends one side when the other has (SOCK_SEQPACKET).
      `EXEC:${inside},type=5`,
    ]);
    this.#relay = { child, namespace: host.namespace, tap };
    child.stderr.resume();
    await until(() => hasCarrier(host.namespace, tap));
    await until(() => hasCarrier(this.guest, 'eth0'));
  }

  /** The guest's IPv6 as its agent sets it: behind a host that routes nothing is on the link but the router. */
  async setGuestIpv6(mode: 'bridged' | 'routed'): Promise<void> {
    await this.guest.run('ip', '-6', 'address', 'flush', 'dev', 'eth0', 'scope', 'global');
    await this.guest.run('ip', '-6', 'route', 'flush', 'dev', 'eth0', 'proto', 'static');
    const address = mode === 'bridged' ? `${guestIp6}/64` : `${guestIp6}/128`;
    await this.guest.run('ip', 'address', 'add', address, 'dev', 'eth0', 'nodad');
    const route = ['route', 'replace', 'default', 'via', routerIp6, 'dev', 'eth0', 'proto', 'static'];
    if (mode === 'routed') await this.guest.run('ip', '-6', ...route);
  }

  /** The guest as DHCP and router advertisements set it behind a host that translates; its addresses there. */
  async setGuestBehind(host: Host, tap: string): Promise<{ ip: string; ip6: string; router: string }> {
    const shown = await host.namespace.run('ip', '-o', 'address', 'show', 'dev', tap);
    const router = /inet ([\d.]+)\/24/.exec(shown)?.[1] ?? '';
    const router6 = /inet6 (fd\S+)\/64/.exec(shown)?.[1] ?? '';
    const ip = router.replace(/\.1$/, '.2');
    const ip6 = router6.replace(/::1$/, '::2');
    for (const family of ['-4', '-6']) {
      await this.guest.run('ip', family, 'address', 'flush', 'dev', 'eth0', 'scope', 'global');
    }
    await this.guest.run('ip', 'address', 'add', `${ip}/24`, 'dev', 'eth0');
    await this.guest.run('ip', 'address', 'add', `${ip6}/64`, 'dev', 'eth0', 'nodad');
    await this.guest.run('ip', 'route', 'replace', 'default', 'via', router);
    await this.guest.run('ip', '-6', 'route', 'replace', 'default', 'via', routerIp6, 'dev', 'eth0');
    return { ip, ip6, router };
  }

  async #stopRelay(): Promise<void> {
    if (this.#relay === undefined) return;
    const { child, namespace, tap } = this.#relay;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    await until(async () => !(await hasCarrier(namespace, tap)));
    this.#relay = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopRelay();
    await this.#cleanup.disposeAsync();
  }
}

/** dnsmasq in a namespace; resolves when it serves. */
export async function serve(namespace: Namespace, ...args: string[]): Promise<AsyncDisposable> {
  const child = spawn('ip', [
    ...['netns', 'exec', namespace.name, 'dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null'],
    ...['--user=root', '--group=', '--pid-file=', '--log-facility=-', '--log-dhcp', '--no-hosts', ...args],
  ]);
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (text: Buffer) => {
      if (/started,/.test(String(text))) resolve();
    });
    child.once('exit', () => reject(new Error(`dnsmasq ${args.join(' ')} ended`)));
  });
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function hasCarrier(namespace: Namespace, name: string): Promise<boolean> {
  return /LOWER_UP/.test(await namespace.run('ip', 'link', 'show', 'dev', name).catch(() => ''));
}

/** For what the kernel tells nobody about; fails after 10 s. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within 10 s: ${condition}`);
    await delay(50);
  }
}
