import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../../../host-plugins/system/process/run.ts';
import { DockError, type DockErrorData } from '../../../protocol/dock-error.ts';
import type { LinkFacts } from '../../../protocol/host-profile.ts';
import { managerConfig } from '../guest-agent/manager-config.ts';
import { PrivateBus } from '../guest-agent/private-bus.ts';
import { killed, spawnMortal } from '../guest-agent/spawn-mortal.ts';
import { Namespace } from './network-fixture.ts';

const limitMs = 30_000;
let made = 0;

export const routerIp = '10.79.0.1';

export const profileUuid = '5a7b1f0e-8d8c-4d0c-9d53-7f1f6c1f0a02';
/** As a desktop's: IPv4 by DHCP, IPv6 by router advertisements, addresses that are made of the interface's name. */
const profile = `[connection]
id=office
uuid=${profileUuid}
type=ethernet
interface-name=eth0
metered=1
[ipv4]
method=auto
[ipv6]
method=auto
addr-gen-mode=stable-privacy
`;

export type Ways = 'network-manager' | 'static';

/**
 * A host with one wired interface `eth0` to a LAN with a router that gives addresses. `network-manager`: the real
 * NetworkManager, on a bus of its own, configures it; `static`: nobody does, its address was set by hand.
 */
export class WiredHost implements AsyncDisposable {
  readonly folder: string;
  readonly host: string;
  readonly lan: string;
  readonly #bus: PrivateBus | undefined;
  #manager: ChildProcess | undefined;
  #dhcp: ChildProcess | undefined;
  #child: ChildProcessWithoutNullStreams | undefined;
  #waiting: ((line: string) => void)[] = [];

  private constructor(folder: string, bus: PrivateBus | undefined) {
    this.folder = folder;
    this.#bus = bus;
    const id = `${process.pid}-${made++}`;
    this.host = `wdb${id}-host`;
    this.lan = `wdb${id}-lan`;
  }

  static async start(configuredBy: Ways): Promise<WiredHost> {
    const bus = configuredBy === 'network-manager' ? await PrivateBus.start('open') : undefined;
    const wired = new WiredHost(await mkdtemp(join(tmpdir(), 'wdock-bridge-')), bus);
    try {
      await wired.#connect();
      await wired.startRouter();
      if (configuredBy === 'static') await wired.#configureByHand();
      else {
        await wired.startManager();
        await wired.until(async () => (await wired.addresses('eth0')).length === 2);
      }
      await wired.startDaemon();
      return wired;
    } catch (error) {
      await wired[Symbol.asyncDispose]();
      throw error;
    }
  }

  onHost = (...argv: string[]): Promise<string> => Namespace.made(this.host).run(...argv);
  onLan = (...argv: string[]): Promise<string> => Namespace.made(this.lan).run(...argv);

  /** Global addresses of an interface, sorted; none where it is not there. */
  async addresses(device: string): Promise<string[]> {
    const shown = await this.onHost('ip', '-j', 'address', 'show', 'dev', device).catch(() => '[]');
    const entries = JSON.parse(shown) as {
      addr_info: { local: string; prefixlen: number; scope: string }[];
    }[];
    return entries
      .flatMap((entry) => entry.addr_info)
      .filter(({ scope }) => scope === 'global')
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
      .sort();
  }

  async hardwareAddress(device: string): Promise<string> {
    return (await this.onHost('cat', `/sys/class/net/${device}/address`)).trim();
  }

  async hasDevice(device: string): Promise<boolean> {
    return (await this.onHost('ls', '/sys/class/net')).split(/\s+/).includes(device);
  }

  /** The default route's interface. */
  async wayOut(): Promise<string | undefined> {
    const [route] = JSON.parse((await this.onHost('ip', '-j', 'route', 'show', 'default')) || '[]') as {
      dev: string;
    }[];
    return route?.dev;
  }

  /** UUIDs of the connections that are active in NetworkManager, and of all that it has. */
  async connections(): Promise<{ uuid: string; device: string; type: string }[]> {
    const listed = await this.#nmcli('-t', '-f', 'UUID,DEVICE,TYPE', 'connection', 'show');
    return listed
      .trim()
      .split('\n')
      .map((line) => line.split(':'))
      .filter(([, , type]) => type !== 'loopback')
      .map(([uuid = '', device = '', type = '']) => ({ uuid, device, type }));
  }

  ensure = (link: string): Promise<string> => this.#call('ensure', link);
  sweep = (): Promise<void> => this.#call('sweep');
  recover = (): Promise<void> => this.#call('recover');
  links = (): Promise<LinkFacts[]> => this.#call('links');

  async startDaemon(): Promise<void> {
    const script = fileURLToPath(new URL('./bridge-child.ts', import.meta.url));
    const bus = this.#bus?.address ?? `unix:path=${this.folder}/no-bus`;
    const argv = [process.execPath, script, `${this.folder}/run`, bus, 'eth0'];
    this.#child = spawnMortal(['ip', 'netns', 'exec', this.host, ...argv], {
      stdio: 'pipe',
    }) as ChildProcessWithoutNullStreams;
    this.#waiting = [];
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#waiting.shift()?.(line));
    this.#child.stderr.pipe(process.stderr);
    await once(this.#child, 'spawn');
  }

  /** SIGKILL, as the kernel does it. */
  async killDaemon(): Promise<void> {
    if (this.#child !== undefined) await killed(this.#child);
  }

  async startRouter(): Promise<void> {
    this.#dhcp = spawnMortal(
      [
        ...['ip', 'netns', 'exec', this.lan, 'dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null'],
        ...['--port=0', '--interface=lan0', '--bind-interfaces', '--dhcp-authoritative', '--pid-file='],
        ...['--dhcp-range=10.79.0.50,10.79.0.60,2m', '--dhcp-range=fd79::,ra-stateless', '--enable-ra'],
        ...[`--dhcp-leasefile=${this.folder}/leases`, `--log-facility=${this.folder}/dhcp.log`],
      ],
      { stdio: 'ignore' },
    );
  }

  async stopRouter(): Promise<void> {
    if (this.#dhcp !== undefined) await killed(this.#dhcp);
  }

  async startManager(): Promise<void> {
    await writeFile(`${this.folder}/NetworkManager.conf`, managerConfig);
    await writeFile(`${this.folder}/office.nmconnection`, profile, { mode: 0o600 });
    const folders = ['/run/NetworkManager', '/var/lib/NetworkManager', '/etc/NetworkManager'];
    // Its folders are its own, and stay when it is started again. With a read-only /sys it does without udev.
    const script = [
      'mkdir -p /run/NetworkManager',
      ...folders.map((at) => `mkdir -p ${this.folder}${at} && mount --bind ${this.folder}${at} ${at}`),
      'mkdir -p /etc/NetworkManager/system-connections',
      `cp ${this.folder}/office.nmconnection /etc/NetworkManager/system-connections/`,
      'mount -o remount,ro,bind /sys',
      `exec NetworkManager --no-daemon --config=${this.folder}/NetworkManager.conf`,
    ].join(' && ');
    this.#manager = spawnMortal(
      ['ip', 'netns', 'exec', this.host, 'unshare', '--mount', 'sh', '-c', script],
      { env: { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: this.#bus?.address }, stdio: 'ignore' },
    );
  }

  async routerHardwareAddress(): Promise<string> {
    return (await this.onLan('cat', '/sys/class/net/lan0/address')).trim();
  }

  async disconnect(): Promise<void> {
    await this.#nmcli('device', 'disconnect', 'eth0');
  }

  async reconnect(): Promise<void> {
    await this.#nmcli('device', 'connect', 'eth0');
  }

  /** From the next connection on. */
  async setHardwareAddress(mac: string): Promise<void> {
    await this.#nmcli('connection', 'modify', profileUuid, '802-3-ethernet.cloned-mac-address', mac);
  }

  /** SIGKILL and a new one, as after a crash. */
  async restartManager(): Promise<void> {
    if (this.#manager !== undefined) await killed(this.#manager);
    await this.startManager();
  }

  /** Resolves when an interface of the host becomes a port of another one, or ceases to be one. */
  async untilMasterChanges(): Promise<void> {
    const monitor = spawnMortal(['ip', '-n', this.host, 'monitor', 'link'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      for await (const data of monitor.stdout ?? []) if (/eth0.*(master|state)/.test(String(data))) return;
    } finally {
      await killed(monitor);
    }
  }

  /**
   * A client on the LAN pings the host every 100 ms. `stop` waits for one more answer, and tells how many pings before
   * it had none.
   */
  async pingFromLan(address: string): Promise<{ stop(): Promise<{ lost: number }> }> {
    const argv = ['ip', 'netns', 'exec', this.lan, 'ping', '-n', '-i', '0.1', '-W', '1', address];
    const ping = spawnMortal(argv, { stdio: ['ignore', 'pipe', 'ignore'] });
    const answered = new Set<number>();
    let next = Promise.withResolvers<void>();
    let text = '';
    ping.stdout?.on('data', (data: Buffer) => {
      text += data.toString();
      for (const [, sequence] of text.matchAll(/bytes from .*icmp_seq=(\d+)/g))
        answered.add(Number(sequence));
      next.resolve();
    });
    while (answered.size === 0) {
      await next.promise;
      next = Promise.withResolvers<void>();
    }
    return {
      stop: async () => {
        const before = answered.size;
        const limit = AbortSignal.timeout(10_000);
        while (answered.size === before) {
          next = Promise.withResolvers<void>();
          limit.addEventListener('abort', () => next.reject(new Error(`${address} answers no more`)));
          await next.promise;
        }
        await killed(ping);
        return { lost: Math.max(...answered) - answered.size };
      },
    };
  }

  async answersFromLan(address: string): Promise<boolean> {
    const script = `ping -n -c 1 -W 1 ${address} >/dev/null && echo yes || echo no`;
    return (await this.onLan('sh', '-c', script)).trim() === 'yes';
  }

  async records(): Promise<string[]> {
    const listed = await this.onHost('sh', '-c', `ls ${this.folder}/run/bridges 2>/dev/null || true`);
    return listed.split(/\s+/).filter(Boolean);
  }

  /** For what nobody tells; fails after 45 s. */
  async until(condition: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + 45_000;
    while (!(await condition())) {
      if (performance.now() > end) throw new Error(`not within 45 s: ${condition}`);
      await delay(50);
    }
  }

  async #nmcli(...args: string[]): Promise<string> {
    const { stdout } = await run(['nmcli', ...args], {
      timeoutMs: limitMs,
      signal: AbortSignal.timeout(limitMs),
      environment: { DBUS_SYSTEM_BUS_ADDRESS: this.#bus?.address ?? '' },
    });
    return stdout;
  }

  async #call<T>(method: string, param?: string): Promise<T> {
    const child = this.#child;
    const line = await new Promise<string>((resolve, reject) => {
      const gone = () => reject(new DockError('peer-gone', 'the daemon was killed'));
      if (child?.exitCode !== null || child.signalCode !== null) gone();
      this.#waiting.push(resolve);
      child?.once('exit', gone);
      child?.stdin.write(`${JSON.stringify({ method, param })}\n`);
    });
    const { result, error } = JSON.parse(line) as { result: T; error?: DockErrorData };
    if (error !== undefined) throw new DockError(error.kind, error.message);
    return result;
  }

  async #connect(): Promise<void> {
    const { host, lan } = this;
    const commands = [
      ['netns', 'add', lan],
      ['netns', 'add', host],
      ['-n', lan, 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host],
      ['-n', lan, 'address', 'add', `${routerIp}/24`, 'dev', 'lan0'],
      ['-n', lan, 'address', 'add', 'fd79::1/64', 'dev', 'lan0', 'nodad'],
      ['-n', lan, 'link', 'set', 'lan0', 'up'],
      ['-n', lan, 'link', 'set', 'lo', 'up'],
      ['-n', host, 'link', 'set', 'lo', 'up'],
    ];
    for (const command of commands) {
      await run(['ip', ...command], { timeoutMs: limitMs, signal: AbortSignal.timeout(limitMs) });
    }
  }

  async #configureByHand(): Promise<void> {
    // What the router advertises would come in the middle of a test.
    const quiet = 'for of in default eth0; do echo 0 > /proc/sys/net/ipv6/conf/$of/accept_ra; done';
    await this.onHost('sh', '-c', quiet);
    await this.onHost('ip', 'link', 'set', 'eth0', 'up');
    await this.onHost('ip', 'address', 'add', '10.79.0.20/24', 'dev', 'eth0');
    await this.onHost('ip', 'address', 'add', 'fd79::20/64', 'dev', 'eth0', 'nodad');
    await this.onHost('ip', 'route', 'add', 'default', 'via', routerIp, 'metric', '100');
    await this.onHost('ip', 'route', 'add', '10.200.0.0/16', 'via', '10.79.0.7', 'dev', 'eth0');
    await this.onHost('ip', '-6', 'route', 'add', 'fd99::/64', 'via', 'fd79::7', 'dev', 'eth0');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killDaemon();
    if (this.#manager !== undefined) await killed(this.#manager);
    await this.stopRouter();
    for (const name of [this.host, this.lan]) {
      await run(['ip', 'netns', 'delete', name], {
        timeoutMs: limitMs,
        signal: AbortSignal.timeout(limitMs),
      }).catch(() => {});
    }
    await this.#bus?.[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
