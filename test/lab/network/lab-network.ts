import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { labAddresses, labMacs, labWorkspaceMac, lanPrefixLength } from './address-plan.ts';
import { LanServices } from './lan-services.ts';
import { type LinkShapeName, shapeArguments } from './link-shape.ts';
import { NetworkNamespace } from './network-namespace.ts';
import { forgetRun, recordRun, runFolder, sweepDeadRuns } from './sweep.ts';

export interface LabNetworkOptions {
  workspaceMac?: string;
  midLink?: LinkShapeName;
  pcLink?: LinkShapeName;
}

export type LabHostName = 'mid' | 'pc' | 'client';

/** The device by which each host reaches the LAN; the switch's port to it has the host's name. */
const uplinks: Record<LabHostName, string> = { mid: 'wlan0', pc: 'eth0', client: 'eth0' };

/** The LAN's switch, in the namespace `lan`. */
const switchDevice = 'switch0';

/**
 * A LAN with two devices and a client, in namespaces of their own:
 *
 *     lan     switch0 (router 10.77.0.1, DHCP); ports mid, pc, client
 *     mid     wlan0 10.77.0.11                      shaped; the switch takes no other sender from it, as Wi-Fi does
 *     pc      br0 10.77.0.12, its port eth0         shaped
 *     client  eth0 10.77.0.21
 */
export class LabNetwork implements AsyncDisposable {
  readonly label: string;
  readonly lan: NetworkNamespace;
  readonly mid: NetworkNamespace;
  readonly pc: NetworkNamespace;
  readonly client: NetworkNamespace;
  readonly addresses = labAddresses;
  readonly #services: LanServices;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    label: string,
    namespaces: Record<'lan' | LabHostName, NetworkNamespace>,
    services: LanServices,
    resources: AsyncDisposableStack,
  ) {
    this.label = label;
    this.lan = namespaces.lan;
    this.mid = namespaces.mid;
    this.pc = namespaces.pc;
    this.client = namespaces.client;
    this.#services = services;
    this.#resources = resources;
  }

  /** Also removes what is left of runs whose process is dead. On failure and on abort nothing is left of this one. */
  static async create(options: LabNetworkOptions, signal: AbortSignal): Promise<LabNetwork> {
    await sweepDeadRuns();
    const label = `wdock-lab-${process.pid}-${randomBytes(3).toString('hex')}`;
    await using resources = new AsyncDisposableStack();
    resources.defer(() => forgetRun(label));

    const make = async (name: string) => resources.use(await NetworkNamespace.create(name, label, signal));
    const namespaces = {
      lan: await make('lan'),
      mid: await make('mid'),
      pc: await make('pc'),
      client: await make('client'),
    };
    await recordRun(
      label,
      Object.values(namespaces).map((namespace) => namespace.inode),
    );

    const { lan, mid, pc, client } = namespaces;
    await lan.run(['ip', '-batch', '-'], signal, switchCommands());
    for (const name of ['mid', 'pc', 'client'] as const) await connect(lan, namespaces[name], name, signal);
    await mid.run(['ip', '-batch', '-'], signal, stationCommands('wlan0', labAddresses.mid));
    await pc.run(['ip', '-batch', '-'], signal, bridgedCommands('eth0', labAddresses.pc));
    await client.run(['ip', '-batch', '-'], signal, stationCommands('eth0', labAddresses.client));
    await lan.run(['nft', '-f', '-'], signal, accessPointRules);
    const services = resources.use(
      await LanServices.start(
        lan,
        switchDevice,
        options.workspaceMac ?? labWorkspaceMac,
        join(runFolder(label), 'leases'),
      ),
    );

    const network = new LabNetwork(label, namespaces, services, resources.move());
    try {
      await network.shape('mid', options.midLink ?? 'unshaped', signal);
      await network.shape('pc', options.pcLink ?? 'unshaped', signal);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  /** Gives a host's link a rate, in both directions. May be called while it is used. */
  async shape(host: LabHostName, shape: LinkShapeName, signal: AbortSignal): Promise<void> {
    await this[host].run(['tc', ...shapeArguments(uplinks[host], shape)], signal);
    await this.lan.run(['tc', ...shapeArguments(host, shape)], signal);
  }

  /** From now on the switch drops what a host sends or should get. The host's carrier stays, as out of radio range. */
  async cutLink(host: LabHostName, signal: AbortSignal): Promise<void> {
    await this.lan.run(['bridge', 'link', 'set', 'dev', host, 'state', '0'], signal);
  }

  async restoreLink(host: LabHostName, signal: AbortSignal): Promise<void> {
    await this.lan.run(['bridge', 'link', 'set', 'dev', host, 'state', '3'], signal);
  }

  /** For files of this run, sockets among them; removed with it, also when its process is killed. */
  get folder(): string {
    return runFolder(this.label);
  }

  /** Address by card of all that asked the DHCP server. */
  leases(): Promise<Map<string, string>> {
    return this.#services.leases();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

function switchCommands(): string {
  return [
    // No forwarding delay: a port that waits 15 s before it forwards would be measured as silence of the guest.
    `link add ${switchDevice} address ${labMacs.router} type bridge forward_delay 0 stp_state 0`,
    `address add ${labAddresses.router}/${lanPrefixLength} dev ${switchDevice}`,
    `link set ${switchDevice} up`,
  ].join('\n');
}

function stationCommands(device: string, address: string): string {
  return [
    `address add ${address}/${lanPrefixLength} dev ${device}`,
    `link set ${device} up`,
    `route add default via ${labAddresses.router}`,
  ].join('\n');
}

function bridgedCommands(device: string, address: string): string {
  return [
    `link add br0 address ${labMacs.pc} type bridge forward_delay 0 stp_state 0`,
    `link set ${device} master br0 up`,
    `address add ${address}/${lanPrefixLength} dev br0`,
    'link set br0 up',
    `route add default via ${labAddresses.router}`,
  ].join('\n');
}

async function connect(
  lan: NetworkNamespace,
  host: NetworkNamespace,
  name: LabHostName,
  signal: AbortSignal,
): Promise<void> {
  // Named by process, because the other end is made inside a namespace that only its keeper holds.
  const peer = `peer name ${uplinks[name]} address ${labMacs[name]} netns ${host.keeperPid}`;
  const commands = [`link add ${name} type veth ${peer}`, `link set ${name} master ${switchDevice} up`];
  await lan.run(['ip', '-batch', '-'], signal, commands.join('\n'));
}

/** An access point takes no frame whose sender is not the station itself. */
const accessPointRules = `table bridge access_point {
  chain from_stations {
    type filter hook prerouting priority 0; policy accept;
    iifname "mid" ether saddr != ${labMacs.mid} drop
  }
}`;
