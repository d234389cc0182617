import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { emulatorMounts, type LabEmulator } from '../emulator/lab-emulator.ts';
import { accessPointRules, type FramesBySender, readFramesBySender } from './access-point.ts';
import {
  cableAddresses,
  cableDevice,
  type HostPlan,
  type LabHostName,
  type LabLayout,
  type LanPlan,
  labAddresses,
  labAddresses6,
  labMacs,
  labWorkspaceMac,
  lanA,
  lanB,
  lanPrefixLength,
  planHosts,
} from './address-plan.ts';
import { cableCommands, hostCommands, settingsCommand, switchCommands } from './host-commands.ts';
import { LanServices } from './lan-services.ts';
import { type LinkShapeName, shapeArguments } from './link-shape.ts';
import { NetworkNamespace } from './network-namespace.ts';
import { forgetRun, recordRun, runFolder, sweepDeadRuns } from './sweep.ts';

export interface LabNetworkOptions {
  workspaceMac?: string;
  /** The MID is on a cable as the PC is, with a bridge over it; default: `false`, on Wi-Fi. */
  wiredMid?: boolean;
  /** Default: `lan`. */
  layout?: LabLayout;
  /** The devices are joined by a cable of their own, too, with the shape of `pcLink`; default: `false`. */
  cable?: boolean;
  midLink?: LinkShapeName;
  pcLink?: LinkShapeName;
  /** The QEMU of both devices; default: this machine's own. */
  emulator?: LabEmulator;
}

/** A router between two LANs; no duplicate address detection, for which a new link would wait a second. */
const routerSettings = {
  'ipv4/ip_forward': 1,
  'ipv6/conf/all/forwarding': 1,
  'ipv6/conf/default/accept_dad': 0,
};

/**
 * A LAN with two devices and a client, in namespaces of their own:
 *
 *     lan     switch0 (router 10.77.0.1, DHCP); ports mid, pc, client
 *     mid     wlan0 10.77.0.11                      shaped; the switch takes no other sender from it, as Wi-Fi does
 *     pc      br0 10.77.0.12, its port eth0         shaped
 *     client  eth0 10.77.0.21
 *
 * or two LANs, which the router joins:
 *
 *     lan       switch0 and ports mid, client; switch1 (router 10.78.0.1, DHCP) and ports pc, client-b
 *     pc        br0 10.78.0.12, its port eth0
 *     client-b  eth0 10.78.0.21
 *
 * Each LAN has IPv6 as well, fd00:77::/64 and fd00:78::/64, with the same last numbers, and by router advertisements
 * and DHCPv6 for whoever asks.
 */
export class LabNetwork implements AsyncDisposable {
  readonly label: string;
  readonly layout: LabLayout;
  readonly lan: NetworkNamespace;
  readonly mid: NetworkNamespace;
  readonly pc: NetworkNamespace;
  readonly client: NetworkNamespace;
  readonly addresses;
  readonly addresses6;
  readonly #clientB: NetworkNamespace | undefined;
  readonly #hosts: readonly HostPlan[];
  readonly #services: ReadonlyMap<LanPlan, LanServices>;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    label: string,
    layout: LabLayout,
    hosts: readonly HostPlan[],
    namespaces: ReadonlyMap<string, NetworkNamespace>,
    services: ReadonlyMap<LanPlan, LanServices>,
    resources: AsyncDisposableStack,
  ) {
    const named = (name: 'lan' | LabHostName) => namespaces.get(name) as NetworkNamespace;
    const pc = hosts.find(({ name }) => name === 'pc') as HostPlan;
    this.label = label;
    this.layout = layout;
    this.lan = named('lan');
    this.mid = named('mid');
    this.pc = named('pc');
    this.client = named('client');
    this.#clientB = namespaces.get('client-b');
    this.addresses = { ...labAddresses, pc: pc.address };
    this.addresses6 = { ...labAddresses6, pc: pc.address6 };
    this.#hosts = hosts;
    this.#services = services;
    this.#resources = resources;
  }

  /** Also removes what is left of runs whose process is dead. On failure and on abort nothing is left of this one. */
  static async create(options: LabNetworkOptions, signal: AbortSignal): Promise<LabNetwork> {
    await sweepDeadRuns();
    const label = `wdock-lab-${process.pid}-${randomBytes(3).toString('hex')}`;
    const layout = options.layout ?? 'lan';
    const lans = layout === 'lan' ? [lanA] : [lanA, lanB];
    const { wiredMid = false } = options;
    const hosts = planHosts(layout, wiredMid);
    await using resources = new AsyncDisposableStack();
    resources.defer(() => forgetRun(label));

    const namespaces = new Map<string, NetworkNamespace>();
    for (const name of ['lan', ...hosts.map((host) => host.name)]) {
      namespaces.set(name, resources.use(await NetworkNamespace.create(name, label, signal)));
    }
    await recordRun(
      label,
      [...namespaces.values()].map((namespace) => namespace.inode),
    );

    if (options.emulator !== undefined) {
      for (const mount of emulatorMounts(options.emulator)) {
        for (const device of ['mid', 'pc']) await namespaces.get(device)?.run(mount, signal);
      }
    }

    const router = namespaces.get('lan') as NetworkNamespace;
    await router.run(settingsCommand(routerSettings), signal);
    await router.run(['ip', '-batch', '-'], signal, lans.map(switchCommands).join('\n'));
    for (const plan of hosts)
      await connect(router, namespaces.get(plan.name) as NetworkNamespace, plan, signal);
    if (options.cable === true) await layCable(namespaces, options.pcLink ?? 'unshaped', signal);
    if (!wiredMid) await router.run(['nft', '-f', '-'], signal, accessPointRules('mid', labMacs.mid));
    const services = new Map<LanPlan, LanServices>();
    const workspaceMac = options.workspaceMac ?? labWorkspaceMac;
    for (const lan of lans) {
      const leaseFile = join(runFolder(label), `leases-${lan.name}`);
      services.set(lan, resources.use(await LanServices.start(router, lan, workspaceMac, leaseFile)));
    }

    const network = new LabNetwork(label, layout, hosts, namespaces, services, resources.move());
    try {
      await network.shape('mid', options.midLink ?? 'unshaped', signal);
      await network.shape('pc', options.pcLink ?? 'unshaped', signal);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  /** The client on the PC's LAN. Only a lab with two LANs has one. */
  get clientB(): NetworkNamespace {
    if (this.#clientB === undefined) throw new Error('a lab with one LAN has no second client');
    return this.#clientB;
  }

  /** The LAN that a host is on. */
  lanOf(host: LabHostName): LanPlan {
    return this.#host(host).lan;
  }

  /** Gives a host's link a rate, in both directions. May be called while it is used. */
  async shape(host: LabHostName, shape: LinkShapeName, signal: AbortSignal): Promise<void> {
    const { uplink } = this.#host(host);
    await this.#namespace(host).run(['tc', ...shapeArguments(uplink, shape)], signal);
    await this.lan.run(['tc', ...shapeArguments(host, shape)], signal);
  }

  /** From now on the switch drops what a host sends or should get. The host's carrier stays, as out of radio range. */
  async cutLink(host: LabHostName, signal: AbortSignal): Promise<void> {
    await this.lan.run(['bridge', 'link', 'set', 'dev', host, 'state', '0'], signal);
  }

  async restoreLink(host: LabHostName, signal: AbortSignal): Promise<void> {
    await this.lan.run(['bridge', 'link', 'set', 'dev', host, 'state', '3'], signal);
  }

  /** From now on nothing gets through the cable between the two devices; both of its ends stay up. */
  async cutCable(signal: AbortSignal): Promise<void> {
    await this.mid.run(['nft', '-f', '-'], signal, cutCableRules);
  }

  async restoreCable(signal: AbortSignal): Promise<void> {
    await this.mid.run(['nft', 'delete', 'table', 'inet', cutCableTable], signal);
  }

  /** From now on nobody answers DHCP and DNS on this LAN, and no router is advertised. The router itself stays. */
  async stopServices(lan: LanPlan): Promise<void> {
    await this.#services.get(lan)?.[Symbol.asyncDispose]();
  }

  /** For files of this run, sockets among them; removed with it, also when its process is killed. */
  get folder(): string {
    return runFolder(this.label);
  }

  /** IPv4 address by card of all that asked a LAN's DHCP server. */
  async leases(lan: LanPlan = lanA): Promise<Map<string, string>> {
    return (await this.#services.get(lan)?.leases()) ?? new Map();
  }

  /** Frames that reached the access point from the MID since the lab was made, by sender. */
  framesFromMid(signal: AbortSignal): Promise<FramesBySender> {
    return readFramesBySender(this.lan, signal);
  }

  /** How many of these had another sender than the MID, which an access point drops. */
  async foreignFrames(signal: AbortSignal): Promise<number> {
    const frames = await this.framesFromMid(signal);
    return [...frames].reduce((sum, [sender, count]) => (sender === labMacs.mid ? sum : sum + count), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  #host(name: LabHostName): HostPlan {
    const found = this.#hosts.find((host) => host.name === name);
    if (found === undefined) throw new Error(`this lab has no host ${name}`);
    return found;
  }

  #namespace(name: LabHostName): NetworkNamespace {
    return name === 'client-b' ? this.clientB : this[name];
  }
}

/** Nobody but the two is on it, and nothing else is reached through it. */
async function layCable(
  namespaces: ReadonlyMap<string, NetworkNamespace>,
  shape: LinkShapeName,
  signal: AbortSignal,
): Promise<void> {
  const [mid, pc] = ['mid', 'pc'].map((name) => namespaces.get(name) as NetworkNamespace) as [
    NetworkNamespace,
    NetworkNamespace,
  ];
  const cable = `link add ${cableDevice} type veth peer name ${cableDevice} netns ${pc.keeperPid}`;
  await mid.run(['ip', '-batch', '-'], signal, cable);
  for (const [device, address] of [
    [mid, cableAddresses.mid],
    [pc, cableAddresses.pc],
  ] as const) {
    const commands = `address add ${address}/${lanPrefixLength} dev ${cableDevice}\nlink set ${cableDevice} up`;
    await device.run(['ip', '-batch', '-'], signal, commands);
    await device.run(['tc', ...shapeArguments(cableDevice, shape)], signal);
  }
}

const cutCableTable = 'wdock_lab_cut';
const cutCableRules = `table inet ${cutCableTable} {
  chain input { type filter hook input priority 0; iifname ${cableDevice} drop; }
  chain output { type filter hook output priority 0; oifname ${cableDevice} drop; }
}
`;

async function connect(
  router: NetworkNamespace,
  host: NetworkNamespace,
  plan: HostPlan,
  signal: AbortSignal,
): Promise<void> {
  await router.run(['ip', '-batch', '-'], signal, cableCommands(plan, host.keeperPid));
  await host.run(['ip', '-batch', '-'], signal, hostCommands(plan));
  // Its addresses are those above and no others.
  const device = plan.bridge ?? plan.uplink;
  await host.run(settingsCommand({ [`ipv6/conf/${device}/accept_ra`]: 0 }), signal);
}
