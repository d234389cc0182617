import { DockError } from '../../protocol/dock-error.ts';
import {
  chooseNetworkSettings,
  type NetworkChange,
  type NetworkSituation,
  type NetworkWish,
} from '../decide/choose-network-settings.ts';
import type { IpAddress } from '../decide/ip-address.ts';
import {
  type DefaultRoute,
  findHardwareInterface,
  nudge,
  readDefaultRoutes,
  resolveNeighbour,
} from '../observe/read-network.ts';
import { runProgram } from '../run-program.ts';
import type { SystemFiles } from '../system-files.ts';
import { announceByItself, linkLocalAddresses, setWayOut, waitForAddresses } from './link-settings.ts';
import type { NetworkManager } from './network-manager.ts';
import { NetworkRenewal } from './network-renewal.ts';
import { waitForNewLan } from './new-lan.ts';
import { ProbingPause } from './probing-pause.ts';

export interface Bound {
  /** The connection is as it shall be, but for what `problems` says. */
  readonly bound: boolean;
  readonly problems: string[];
}

/** Re-binds the guest's interface to the network of the host that it is on. */
export class NetworkBinding {
  readonly #files: SystemFiles;
  readonly #manager: NetworkManager;
  readonly #pause: ProbingPause;
  readonly #renewal: NetworkRenewal;

  constructor(files: SystemFiles, manager: NetworkManager, note: (text: string) => void) {
    this.#files = files;
    this.#manager = manager;
    this.#pause = new ProbingPause(files);
    this.#renewal = new NetworkRenewal(this.#pause, manager, note);
  }

  /**
   * Neighbours learned on the other host are forgotten first, and the gateway is asked for again at once: that tells
   * the LAN where the guest is now (a broadcast ARP request carries its sender), and NetworkManager leaves it alone
   * when it then changes the connection in place. At the end the gateways must answer.
   */
  async apply(wish: NetworkWish, formerKeep: readonly string[], signal: AbortSignal): Promise<Bound> {
    this.#renewal.stop();
    const files = this.#files;
    const before = await readDefaultRoutes(files);
    const name = before.ip4?.interface ?? before.ip6?.interface ?? (await findHardwareInterface(files));
    if (name === undefined) return { bound: false, problems: ['the guest has no network interface'] };
    await announceByItself(files, name);
    const gateways = [before.ip4, before.ip6].filter(
      (route) => route !== undefined && wish.lan === 'same',
    ) as DefaultRoute[];
    const [forgotten, bound] = await Promise.all([
      this.#forgetNeighbours(name, gateways, signal),
      this.#reapply(name, wish, formerKeep, signal),
    ]);
    const now = await readDefaultRoutes(files);
    const silent = await Promise.all([now.ip4, now.ip6].map((route) => this.#askGateway(route, signal)));
    return { ...bound, problems: [...bound.problems, ...forgotten, ...silent.flat()] };
  }

  /** Stops what goes on in the background. */
  async close(): Promise<void> {
    this.#renewal.stop();
    await this.#pause.end();
  }

  async #forgetNeighbours(
    name: string,
    gateways: readonly DefaultRoute[],
    signal: AbortSignal,
  ): Promise<string[]> {
    const ask = (): Promise<unknown> => Promise.all(gateways.map(nudge));
    // What is sent to the old neighbour already tells a switch where the guest is.
    const asked = ask();
    try {
      await runProgram(['ip', 'neigh', 'flush', 'dev', name], 5000, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      return [`neighbours could not be forgotten: ${DockError.from(error, 'io').message}`];
    }
    await asked;
    await ask();
    return [];
  }

  async #askGateway(route: DefaultRoute | undefined, signal: AbortSignal): Promise<string[]> {
    if (route === undefined || (await resolveNeighbour(this.#files, route, signal)) !== undefined) return [];
    return [`the gateway ${route.gateway} does not answer on ${route.interface}`];
  }

  async #reapply(
    name: string,
    wish: NetworkWish,
    formerKeep: readonly string[],
    signal: AbortSignal,
  ): Promise<Bound> {
    const manager = this.#manager;
    const failed = (problem: string): Bound => ({ bound: false, problems: [problem] });
    const startedMs = Date.now();
    try {
      if (!(await manager.isRunning(signal)))
        return failed(`NetworkManager does not run; ${name} stays configured as it was`);
      const device = await manager.findDevice(name, signal);
      if (!(await manager.isConnected(device, signal)))
        return failed(`NetworkManager has no active connection on ${name}`);
      const situation = await manager.readSituation(device, signal);
      const changes = chooseNetworkSettings(wish, situation, formerKeep);
      const ofLink = linkLocalAddresses(name);
      await this.#pause.begin(name);
      for (const change of changes) {
        await manager.reapply(device, change, signal);
        // It answers before it acts; what is asked next is mostly answered after.
        await manager.isConnected(device, signal);
        await waitForAddresses(name, [...stayingIPv6(change, situation), ...ofLink], signal);
      }
      await setWayOut(name, wish.keep.length > 0 ? wish.hostMac : undefined, signal);
      const last = changes.at(-1);
      if (last !== undefined) this.#renewal.start(name, device, last);
      const problems = [
        ...(await this.#checkMtu(name, wish.mtu)),
        ...(last?.ip4.kind === 'asked'
          ? await waitForNewLan({ manager, device, name, startedMs, keep: wish.keep }, signal)
          : []),
      ];
      return { bound: true, problems };
    } catch (error) {
      if (signal.aborted) throw error;
      // NetworkManager is restarting, or the device left its active state just now: the move goes on.
      return failed(`NetworkManager did not re-apply ${name}: ${DockError.from(error).message}`);
    }
  }

  async #checkMtu(name: string, mtu: number | undefined): Promise<string[]> {
    const actual = (await this.#files.readIfThere(`/sys/class/net/${name}/mtu`))?.trim();
    if (mtu === undefined || actual === undefined || Number(actual) <= mtu) return [];
    return [`${name} sends packets of up to ${actual} bytes; this network takes ${mtu}`];
  }
}

/** IPv6 addresses that a change leaves, though they may be away for a moment. */
function stayingIPv6({ ip6 }: NetworkChange, { ip6: before }: NetworkSituation): readonly IpAddress[] {
  if (ip6.kind === 'kept') return ip6.present.addresses;
  if (ip6.kind === 'renewed' || ip6.kind === 'only') return ip6.addresses;
  if (ip6.kind === 'unchanged') return before.present?.addresses ?? [];
  return ip6.beside;
}
