import { type ChildProcess, execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DbusConnection } from '../../../guest-agent/dbus/dbus-connection.ts';
import { plainDbusValue } from '../../../guest-agent/dbus/dbus-value.ts';
import { PrivateBus } from './private-bus.ts';
import { killed, spawnMortal } from './spawn-mortal.ts';

const run = promisify(execFile);
const managerName = 'org.freedesktop.NetworkManager';

const managerConfig = `[main]
plugins=keyfile
no-auto-default=*
dhcp=internal
auth-polkit=false
rc-manager=unmanaged
[connectivity]
enabled=false
`;

const profile = `[connection]
id=lan
uuid=5a7b1f0e-8d8c-4d0c-9d53-7f1f6c1f0a01
type=ethernet
[ipv4]
method=auto
dhcp-timeout=2147483647
[ipv6]
method=disabled
`;

/**
 * A guest's network without a guest: a namespace in which the real NetworkManager, on a bus of its own, manages one
 * end of a cable, and another one with a router and DHCP at its other end. The machine's own network is not touched.
 */
export class GuestNetwork implements AsyncDisposable {
  readonly bus: PrivateBus;
  readonly folder: string;
  readonly guest: string;
  readonly lan: string;
  #manager: ChildProcess | undefined;
  #dhcp: ChildProcess | undefined;

  private constructor(bus: PrivateBus, folder: string) {
    this.bus = bus;
    this.folder = folder;
    const id = `${process.pid.toString(36)}${Date.now().toString(36).slice(-4)}`;
    this.guest = `wdag-${id}-guest`;
    this.lan = `wdag-${id}-lan`;
  }

  static async start(): Promise<GuestNetwork> {
    const network = new GuestNetwork(
      await PrivateBus.start('open'),
      await mkdtemp(join(tmpdir(), 'wdock-nm-')),
    );
    try {
      await network.#connect();
      await network.startDhcp();
      await network.startManager();
      await network.connected();
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Words before a command that make it run in the guest's namespace. */
  get enterGuest(): string[] {
    return ['ip', 'netns', 'exec', this.guest];
  }

  async routerMac(): Promise<string> {
    const { stdout } = await run('ip', ['netns', 'exec', this.lan, 'cat', '/sys/class/net/lan0/address']);
    return stdout.trim();
  }

  async addresses(): Promise<string[]> {
    const { stdout } = await run('ip', ['-n', this.guest, '-j', '-4', 'addr', 'show', 'eth0']);
    const [device] = JSON.parse(stdout) as { addr_info: { local: string; prefixlen: number }[] }[];
    return (device?.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`);
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
    await run('ip', ['-n', this.lan, 'link', 'set', 'lan0', 'arp', 'off']);
    await run('ip', ['-n', this.lan, 'addr', 'flush', 'dev', 'lan0']);
  }

  /** Requests that the DHCP server has answered. */
  async acknowledged(): Promise<number> {
    return (await readFile(join(this.folder, 'dhcp.log'), 'utf8')).split('DHCPACK').length - 1;
  }

  async startDhcp(): Promise<void> {
    this.#dhcp = spawnMortal(
      [
        'ip',
        'netns',
        'exec',
        this.lan,
        'dnsmasq',
        '--keep-in-foreground',
        '--conf-file=/dev/null',
        '--port=0',
        '--interface=lan0',
        '--bind-interfaces',
        '--dhcp-range=10.78.0.50,10.78.0.60,2m',
        '--dhcp-authoritative',
        `--dhcp-leasefile=${this.folder}/leases`,
        `--log-facility=${this.folder}/dhcp.log`,
        '--pid-file=',
      ],
      { stdio: 'ignore' },
    );
  }

  async stopDhcp(): Promise<void> {
    if (this.#dhcp !== undefined) await killed(this.#dhcp);
  }

  async startManager(): Promise<void> {
    await writeFile(`${this.folder}/NetworkManager.conf`, managerConfig);
    await writeFile(`${this.folder}/lan.nmconnection`, profile, { mode: 0o600 });
    // Its folders are its own, and stay when it is started again. /sys is read-only: NetworkManager then does without
    // udev, as in a container.
    const folders = ['/run/NetworkManager', '/var/lib/NetworkManager', '/etc/NetworkManager'];
    const script = [
      'mkdir -p /run/NetworkManager',
      ...folders.map((at) => `mkdir -p ${this.folder}${at} && mount --bind ${this.folder}${at} ${at}`),
      'mkdir -p /etc/NetworkManager/system-connections',
      `cp ${this.folder}/lan.nmconnection /etc/NetworkManager/system-connections/`,
      'mount -o remount,ro,bind /sys',
      `exec NetworkManager --no-daemon --config=${this.folder}/NetworkManager.conf`,
    ].join(' && ');
    this.#manager = spawnMortal(
      ['ip', 'netns', 'exec', this.guest, 'unshare', '--mount', 'sh', '-c', script],
      {
        env: { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: this.bus.address },
        stdio: 'ignore',
      },
    );
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
    await this.stopDhcp();
    for (const name of [this.guest, this.lan]) await run('ip', ['netns', 'del', name]).catch(() => {});
    await this.bus[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #connect(): Promise<void> {
    const { guest, lan } = this;
    const commands = [
      ['netns', 'add', lan],
      ['netns', 'add', guest],
      ['-n', lan, 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', guest],
      ['-n', lan, 'addr', 'add', '10.78.0.1/24', 'dev', 'lan0'],
      ['-n', lan, 'link', 'set', 'lan0', 'up'],
      ['-n', guest, 'link', 'set', 'lo', 'up'],
    ];
    for (const command of commands) await run('ip', command);
  }
}
