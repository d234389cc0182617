import { type ChildProcess, execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DbusConnection } from '../../../guest-agent/dbus/dbus-connection.ts';
import { plainDbusValue } from '../../../guest-agent/dbus/dbus-value.ts';
import { managerConfig } from './manager-config.ts';
import { PrivateBus } from './private-bus.ts';
import { killed, spawnMortal } from './spawn-mortal.ts';

const run = promisify(execFile);
const managerName = 'org.freedesktop.NetworkManager';

export interface ProfileMethods {
  readonly ipv4: 'auto' | 'disabled';
  readonly ipv6: 'auto' | 'disabled';
}

const profile = ({ ipv4, ipv6 }: ProfileMethods): string => `[connection]
id=lan
uuid=5a7b1f0e-8d8c-4d0c-9d53-7f1f6c1f0a01
type=ethernet
[ipv4]
method=${ipv4}
dhcp-timeout=2147483647
[ipv6]
method=${ipv6}
`;

export interface LanChanges {
  /** As many as there are to give. */
  readonly addresses?: number;
  readonly prefix?: string;
  /** How long an IPv6 address is good, minutes. */
  readonly minutes?: number;
  /** The only server of names, or beside one of IPv4, is there for who is on the link. */
  readonly serverOfLink?: 'only' | 'beside';
}

/** The LAN that the guest starts on, and another one. */
export type LanName = 'home' | 'away';

const lans = {
  home: { router: '10.78.0.1', range: ['10.78.0.50', '10.78.0.60'], prefix: 'fd78:0:0:1::' },
  away: { router: '10.79.0.1', range: ['10.79.0.50', '10.79.0.60'], prefix: 'fd79:0:0:1::' },
} as const;

/**
 * A guest's network without a guest: a namespace in which the real NetworkManager, on a bus of its own, manages one
 * end of a cable; a switch at its other end; and two LANs, each with a router, DHCP and router advertisements, one
 * of which the switch joins. The machine's own network is not touched.
 */
export class GuestNetwork implements AsyncDisposable {
  readonly bus: PrivateBus;
  readonly folder: string;
  readonly guest: string;
  /** Where a program stands in for journalctl: it prints what NetworkManager has said. */
  readonly programs: string;
  readonly #id: string;
  readonly #switch: string;
  #lan: LanName = 'home';
  #manager: ChildProcess | undefined;
  readonly #dhcp = new Map<LanName, ChildProcess>();

  private constructor(bus: PrivateBus, folder: string) {
    this.bus = bus;
    this.folder = folder;
    this.programs = join(folder, 'programs');
    this.#id = `wdag-${process.pid.toString(36)}${randomBytes(3).toString('hex')}`;
    this.guest = `${this.#id}-guest`;
    this.#switch = `${this.#id}-switch`;
  }

  static async start(
    methods: ProfileMethods = { ipv4: 'auto', ipv6: 'disabled' },
    changes: LanChanges = {},
  ): Promise<GuestNetwork> {
    const network = new GuestNetwork(
      await PrivateBus.start('open'),
      await mkdtemp(join(tmpdir(), 'wdock-nm-')),
    );
    try {
      await network.#connect();
      await network.startDhcp('home', changes);
      await network.startDhcp('away');
      await network.#prepareManager(methods);
      await network.startManager();
      await network.connected();
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The namespace of a LAN's router. */
  lan(name: LanName = this.#lan): string {
    return `${this.#id}-${name}`;
  }

  /** The switch joins the guest to this LAN from now on; the guest's link stays up. */
  async moveTo(name: LanName): Promise<void> {
    await run('ip', ['-n', this.#switch, 'link', 'set', this.#lan, 'nomaster']);
    await run('ip', ['-n', this.#switch, 'link', 'set', name, 'master', 'bridge']);
    this.#lan = name;
  }

  /** Words before a command that make it run in the guest's namespace. */
  get enterGuest(): string[] {
    return ['ip', 'netns', 'exec', this.guest, 'env', `PATH=${this.programs}:${process.env['PATH'] ?? ''}`];
  }

  async routerMac(): Promise<string> {
    const { stdout } = await run('ip', ['netns', 'exec', this.lan(), 'cat', '/sys/class/net/lan0/address']);
    return stdout.trim();
  }

  /** Of one family, without link-local ones and those that are still probed for, sorted. */
  async addresses(family: 4 | 6 = 4): Promise<string[]> {
    const args = ['-n', this.guest, '-j', `-${family}`, 'addr', 'show', 'dev', 'eth0', 'scope', 'global'];
    const { stdout } = await run('ip', args);
    type Shown = { local?: string; prefixlen: number; tentative?: boolean };
    const [device] = JSON.parse(stdout) as { addr_info?: Shown[] }[];
    return (device?.addr_info ?? [])
      .flatMap(({ local, prefixlen, tentative }) =>
        local === undefined || tentative === true ? [] : [`${local}/${prefixlen}`],
      )
      .sort();
  }

  /** Whether the guest has IPv6 addresses that stay without anybody giving them again, and no others. */
  async hasOwnAddresses(): Promise<boolean> {
    const args = ['-n', this.guest, '-j', '-6', 'addr', 'show', 'dev', 'eth0', 'scope', 'global'];
    const { stdout } = await run('ip', args);
    const [device] = JSON.parse(stdout) as { addr_info?: { valid_life_time?: number }[] }[];
    // What a filter leaves out is printed as an empty object.
    const lives = (device?.addr_info ?? []).flatMap((one) => one.valid_life_time ?? []);
    return lives.length > 0 && lives.every((life) => life === 0xffff_ffff);
  }

  /** Next hop of the guest's way to an address; undefined where there is none, empty where it is on the link. */
  async nextHop(to: string): Promise<string | undefined> {
    try {
      const { stdout } = await run('ip', ['-n', this.guest, '-j', 'route', 'get', to]);
      return (JSON.parse(stdout) as { gateway?: string }[])[0]?.gateway ?? '';
    } catch {
      return undefined;
    }
  }

  /** Hardware address that packets to a neighbour go to. */
  async neighbour(address: string): Promise<string | undefined> {
    const { stdout } = await run('ip', ['-n', this.guest, '-j', 'neigh', 'show', 'to', address]);
    return (JSON.parse(stdout) as { lladdr?: string }[])[0]?.lladdr;
  }

  async mtu(): Promise<number> {
    const { stdout } = await run('ip', ['-n', this.guest, '-j', 'link', 'show', 'dev', 'eth0']);
    return (JSON.parse(stdout) as { mtu: number }[])[0]?.mtu ?? 0;
  }

  /** What NetworkManager would have programs ask for names. */
  resolvConf(): Promise<string> {
    return readFile(join(this.folder, 'run/NetworkManager/resolv.conf'), 'utf8');
  }

  /** What the kernel says of the guest's addresses from now on; a line that begins with `Deleted` is a loss. */
  watchAddresses(): { lines: string[]; [Symbol.asyncDispose](): Promise<void> } {
    const monitor = spawnMortal(['ip', '-n', this.guest, 'monitor', 'addr'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const lines: string[] = [];
    monitor.stdout?.on('data', (text: Buffer) => lines.push(...text.toString().split('\n').filter(Boolean)));
    return { lines, [Symbol.asyncDispose]: () => killed(monitor) };
  }

  /** From now on the router answers nothing, though the cable has a signal. */
  async cut(): Promise<void> {
    await run('ip', ['-n', this.lan(), 'link', 'set', 'lan0', 'arp', 'off']);
    await run('ip', ['-n', this.lan(), 'addr', 'flush', 'dev', 'lan0']);
  }

  /** Another host on the present LAN has this address from now on. */
  async takeAddress(address: string): Promise<void> {
    const squatter = `${this.#id}-taken`;
    const link = ['link', 'add', 'taken', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', squatter];
    for (const command of [
      ['netns', 'add', squatter],
      ['-n', this.#switch, ...link],
      ['-n', this.#switch, 'link', 'set', 'taken', 'master', 'bridge', 'up'],
      ['-n', squatter, 'addr', 'add', address, 'dev', 'eth0'],
      ['-n', squatter, 'link', 'set', 'eth0', 'up'],
    ])
      await run('ip', command);
  }

  /** Requests that a LAN's DHCP server has answered. */
  async acknowledged(name: LanName = 'home'): Promise<number> {
    return (await readFile(join(this.folder, `${name}.log`), 'utf8')).split('DHCPACK').length - 1;
  }

  /** DHCP, DHCPv6 and router advertisements of a LAN. */
  async startDhcp(name: LanName = 'home', changes: LanChanges = {}): Promise<void> {
    const { router, range } = lans[name];
    const prefix = changes.prefix ?? lans[name].prefix;
    if (prefix !== lans[name].prefix) {
      const renumber = (what: string, network: string) =>
        run('ip', ['-n', this.lan(name), 'addr', what, `${network}1/64`, 'dev', 'lan0', 'nodad']);
      await renumber('del', lans[name].prefix);
      await renumber('add', prefix);
    }
    const first = Number(range[0].split('.')[3]);
    const last =
      changes.addresses === undefined
        ? range[1]
        : range[0].replace(/\d+$/, String(first + changes.addresses - 1));
    const options = [
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      // A program that changes its user is no longer ended with the test.
      '--user=root',
      '--port=0',
      '--interface=lan0',
      '--bind-interfaces',
      '--no-ping',
      `--dhcp-range=${range[0]},${last},2m`,
      `--dhcp-range=${prefix}1000,${prefix}1fff,slaac,64,${changes.minutes ?? 5}m`,
      '--enable-ra',
      '--ra-param=lan0,10,1800',
      `--dhcp-option=option:dns-server${changes.serverOfLink === 'only' ? '' : `,${router}`}`,
      `--dhcp-option=option6:dns-server,${changes.serverOfLink === undefined ? `[${prefix}1]` : '[fe80::]'}`,
      '--dhcp-authoritative',
      `--dhcp-leasefile=${this.folder}/${name}.leases`,
      `--log-facility=${this.folder}/${name}.log`,
      '--pid-file=',
    ];
    const server = spawnMortal(['ip', 'netns', 'exec', this.lan(name), 'dnsmasq', ...options], {
      stdio: 'ignore',
    });
    this.#dhcp.set(name, server);
  }

  /** The servers of names that the guest's programs ask, in this order. */
  async nameservers(): Promise<string[]> {
    const text = await readFile(join(this.folder, 'run/NetworkManager/resolv.conf'), 'utf8');
    return [...text.matchAll(/^nameserver (\S+)$/gm)].map(([, address]) => address as string);
  }

  async stopDhcp(name: LanName = 'home'): Promise<void> {
    const server = this.#dhcp.get(name);
    if (server !== undefined) await killed(server);
  }

  async startManager(): Promise<void> {
    // Its folders are its own, and stay when it is started again. /sys is read-only: NetworkManager then does without
    // udev, as in a container.
    const folders = ['/run/NetworkManager', '/var/lib/NetworkManager', '/etc/NetworkManager'];
    const script = [
      'mkdir -p /run/NetworkManager',
      ...folders.map((at) => `mkdir -p ${this.folder}${at} && mount --bind ${this.folder}${at} ${at}`),
      'mkdir -p /etc/NetworkManager/system-connections',
      `cp ${this.folder}/lan.nmconnection /etc/NetworkManager/system-connections/`,
      'mount -o remount,ro,bind /sys',
      // What it says goes to its standard error, and not to the journal.
      `exec NetworkManager --debug --config=${this.folder}/NetworkManager.conf`,
    ].join(' && ');
    const said = await open(join(this.folder, 'NetworkManager.log'), 'a');
    this.#manager = spawnMortal(
      ['ip', 'netns', 'exec', this.guest, 'unshare', '--mount', 'sh', '-c', script],
      {
        env: { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: this.bus.address },
        stdio: ['ignore', 'ignore', said.fd],
      },
    );
    await said.close();
  }

  /** It answers nobody from here on, as where the guest is busy; `false`: it goes on. */
  holdManager(held: boolean): void {
    this.#manager?.kill(held ? 'SIGSTOP' : 'SIGCONT');
  }

  async stopManager(): Promise<void> {
    if (this.#manager !== undefined) await killed(this.#manager);
  }

  /** Resolves when NetworkManager says that it has a site or the whole network (NM_STATE 60, 70). */
  async connected(): Promise<void> {
    await using client = new DbusConnection(this.bus.address);
    const target = {
      destination: managerName,
      path: '/org/freedesktop/NetworkManager',
      interface: managerName,
    };
    const signal = AbortSignal.timeout(30_000);
    await new Promise<void>((resolve, reject) => {
      const look = (): void =>
        void client.getProperty(target, 'State', signal).then(
          (state) => Number(plainDbusValue(state)) >= 60 && resolve(),
          () => {},
        );
      client.listen({ sender: managerName, member: 'StateChanged' }, look);
      client.listenToOwner(managerName, look);
      signal.addEventListener('abort', () => reject(new Error('NetworkManager did not connect')), {
        once: true,
      });
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopManager();
    for (const name of ['home', 'away'] as const) await this.stopDhcp(name);
    const taken = `${this.#id}-taken`;
    for (const name of [this.guest, this.#switch, this.lan('home'), this.lan('away'), taken])
      await run('ip', ['netns', 'del', name]).catch(() => {});
    await this.bus[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #prepareManager(methods: ProfileMethods): Promise<void> {
    await writeFile(`${this.folder}/NetworkManager.conf`, managerConfig);
    await writeFile(`${this.folder}/lan.nmconnection`, profile(methods), { mode: 0o600 });
    await mkdir(this.programs);
    const journalctl = join(this.programs, 'journalctl');
    await writeFile(journalctl, `#!/bin/sh\nexec cat ${this.folder}/NetworkManager.log\n`);
    await chmod(journalctl, 0o755);
  }

  async #connect(): Promise<void> {
    const { guest } = this;
    const inSwitch = ['-n', this.#switch];
    const joined = ['link', 'add', 'guest', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', guest];
    const commands = [
      ['netns', 'add', guest],
      ['netns', 'add', this.#switch],
      [...inSwitch, 'link', 'add', 'bridge', 'type', 'bridge'],
      [...inSwitch, 'link', 'set', 'bridge', 'up'],
      [...inSwitch, ...joined],
      [...inSwitch, 'link', 'set', 'guest', 'master', 'bridge', 'up'],
      ['-n', guest, 'link', 'set', 'lo', 'up'],
    ];
    for (const name of ['home', 'away'] as const) {
      const [lan, { router, prefix }] = [this.lan(name), lans[name]];
      commands.push(
        ['netns', 'add', lan],
        [...inSwitch, 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'lan0', 'netns', lan],
        [...inSwitch, 'link', 'set', name, 'up'],
        ['-n', lan, 'addr', 'add', `${router}/24`, 'dev', 'lan0'],
        ['-n', lan, 'addr', 'add', `${prefix}1/64`, 'dev', 'lan0', 'nodad'],
        ['-n', lan, 'link', 'set', 'lan0', 'up'],
      );
    }
    commands.push([...inSwitch, 'link', 'set', this.#lan, 'master', 'bridge']);
    for (const command of commands) await run('ip', command);
    // Only a router may say that it is one; and a link-local address that is probed for is not there at once.
    for (const name of ['home', 'away'] as const) {
      const settings = ['net.ipv6.conf.all.forwarding=1', 'net.ipv6.conf.lan0.accept_dad=0'];
      await run('ip', ['netns', 'exec', this.lan(name), 'sysctl', '-qw', ...settings]);
    }
  }
}
