import { DockError } from '../../protocol/dock-error.ts';
import {
  chooseNetworkSettings,
  type NetworkChange,
  type NetworkWish,
} from '../decide/choose-network-settings.ts';
import { wayThroughHost } from '../decide/way-through-host.ts';
import {
  type DefaultRoute,
  type DefaultRoutes,
  findHardwareInterface,
  nudge,
  readDefaultRoutes,
  resolveNeighbour,
} from '../observe/read-network.ts';
import { sleep } from '../retry-delay.ts';
import { runProgram } from '../run-program.ts';
import type { SystemFiles } from '../system-files.ts';
import { untilCalm } from '../until-calm.ts';
import {
  announceByItself,
  lastingAddresses6,
  leadThroughHost,
  readGoodForMs,
  setWayOut,
} from './link-settings.ts';
import type { NetworkManager } from './network-manager.ts';
import { NetworkRenewal } from './network-renewal.ts';
import { waitForNewLan } from './new-lan.ts';
import { ProbingPause } from './probing-pause.ts';
import { keepStaying, stayingOver } from './staying-addresses.ts';

export interface Bound {
  /** The connection is as it shall be, but for what `problems` says. */
  readonly bound: boolean;
  readonly problems: string[];
  /** How long it can stay so, ms; undefined where that has no end. What comes then is done in the background. */
  readonly forMs?: number | undefined;
}

/** Of ip(8). */
type Family = '-4' | '-6';

/** A change of what works already waits for a calm moment so long at most, ms. */
const calmLimitMs = 3_000;

/** How long after a failure what came due is tried again, ms. */
const dueAgainMs = 30_000;

/** Re-binds the guest's interface to the network of the host that it is on. */
export class NetworkBinding {
  readonly #files: SystemFiles;
  readonly #manager: NetworkManager;
  readonly #pause: ProbingPause;
  readonly #renewal: NetworkRenewal;
  readonly #note: (text: string) => void;
  #due = new AbortController();
  #keeping: Promise<void> = Promise.resolve();

  constructor(files: SystemFiles, manager: NetworkManager, note: (text: string) => void) {
    this.#files = files;
    this.#manager = manager;
    this.#pause = new ProbingPause(files);
    this.#renewal = new NetworkRenewal(files, this.#pause, manager, note);
    this.#note = note;
  }

  /**
   * Neighbours learned on the other host are forgotten, and the gateway is asked for again at once: that tells the LAN
   * where the guest is now (a broadcast ARP request carries its sender), and NetworkManager leaves it alone when it then
   * changes the connection in place. At the end the gateways must answer.
   *
   * Those of IPv6 only when the way is what it shall be: until then what goes to them is taken in by the host, and passed
   * on, while nobody would answer who is asked for anew from behind a host that routes.
   */
  async apply(wish: NetworkWish, formerKeep: readonly string[], signal: AbortSignal): Promise<Bound> {
    await this.#stop();
    const files = this.#files;
    const before = await readDefaultRoutes(files);
    const name = await this.#findInterface(before);
    if (name === undefined) return { bound: false, problems: ['the guest has no network interface'] };
    await announceByItself(files, name);
    const stays = wish.lan === 'same';
    const gateways = [before.ip4, before.ip6].filter(
      (route) => route !== undefined && stays,
    ) as DefaultRoute[];
    const rebind = async (): Promise<Bound> => {
      if (stays && wish.keep.length === 0) await leadAtOnce(name, wish, signal);
      const bound = await this.#reapply(name, wish, formerKeep, true, signal);
      if (!stays || !bound.bound) return bound;
      return { ...bound, problems: [...bound.problems, ...(await this.#forget(name, ['-6'], signal))] };
    };
    const [forgotten, bound] = await Promise.all([
      this.#forgetAndAsk(name, stays ? ['-4'] : ['-4', '-6'], gateways, signal),
      rebind(),
    ]);
    if (bound.forMs !== undefined) this.#keepIn(bound.forMs, name, wish);
    const now = await readDefaultRoutes(files);
    const silent = await Promise.all([now.ip4, now.ip6].map((route) => this.#askGateway(route, signal)));
    return { ...bound, problems: [...bound.problems, ...forgotten, ...silent.flat()] };
  }

  /** Goes on with a wish of which an agent that ran before said that it can stay so for a time. */
  async resume(wish: NetworkWish): Promise<void> {
    const name = await this.#findInterface(await readDefaultRoutes(this.#files));
    if (name !== undefined) this.#keepIn(dueAgainMs, name, wish);
  }

  /** Stops what goes on in the background. */
  async close(): Promise<void> {
    await this.#stop();
    await this.#pause.end();
  }

  async #findInterface({ ip4, ip6 }: DefaultRoutes): Promise<string | undefined> {
    return ip4?.interface ?? ip6?.interface ?? (await findHardwareInterface(this.#files));
  }

  async #stop(): Promise<void> {
    this.#renewal.stop();
    this.#due.abort(new DockError('cancelled', 'the network was bound again'));
    await this.#keeping;
  }

  /** What the LAN gave is good for a time after the trip; before that is over, it is kept without the LAN. */
  #keepIn(forMs: number, name: string, wish: NetworkWish): void {
    this.#due = new AbortController();
    const { signal } = this.#due;
    const keep = async (waitMs: number): Promise<void> => {
      await sleep(waitMs, signal);
      const { bound, problems } = await this.#reapply(name, wish, [], false, signal);
      for (const problem of problems) this.#note(problem);
      if (!bound) await keep(dueAgainMs);
    };
    this.#keeping = keep(forMs).catch((error: unknown) => {
      if (!signal.aborted) this.#note(`addresses are not kept: ${DockError.from(error).message}`);
    });
  }

  async #forgetAndAsk(
    name: string,
    families: readonly Family[],
    gateways: readonly DefaultRoute[],
    signal: AbortSignal,
  ): Promise<string[]> {
    const ask = (): Promise<unknown> => Promise.all(gateways.map(nudge));
    // What is sent to the old neighbour already tells a switch where the guest is.
    const asked = ask();
    const problems = await this.#forget(name, families, signal);
    await asked;
    await ask();
    return problems;
  }

  async #forget(name: string, families: readonly Family[], signal: AbortSignal): Promise<string[]> {
    const flush = (family: Family) => runProgram(['ip', family, 'neigh', 'flush', 'dev', name], 5000, signal);
    try {
      await Promise.all(families.map(flush));
      return [];
    } catch (error) {
      if (signal.aborted) throw error;
      return [`neighbours could not be forgotten: ${DockError.from(error, 'io').message}`];
    }
  }

  async #askGateway(route: DefaultRoute | undefined, signal: AbortSignal): Promise<string[]> {
    if (route === undefined || (await resolveNeighbour(this.#files, route, signal)) !== undefined) return [];
    return [`the gateway ${route.gateway} does not answer on ${route.interface}`];
  }

  async #reapply(
    name: string,
    wish: NetworkWish,
    formerKeep: readonly string[],
    canWait: boolean,
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
      const [read, goodForMs] = await Promise.all([
        manager.readSituation(device, signal),
        canWait ? readGoodForMs(name, signal) : undefined,
      ]);
      const situation = { ...read, ip6: { ...read.ip6, goodForMs } };
      const changes = chooseNetworkSettings(wish, situation, formerKeep);
      await this.#pause.begin(name);
      for (const change of changes) {
        // While programs get going after a move, the moment in which NetworkManager takes IPv6 away would be a long one.
        // Looked at again by `reapply`: in the meantime NetworkManager may have changed it.
        const isNew = await manager.wouldChange(device, change, signal);
        if (isNew && canWait && worksAlready(wish, formerKeep, change)) await untilCalm(calmLimitMs, signal);
        const staying = stayingOver(change, name, situation.ip6.present?.addresses ?? []);
        const reapply = async (): Promise<void> => {
          await manager.reapply(device, change, signal);
          // It answers before it acts; what is asked next is mostly answered after.
          await manager.isConnected(device, signal);
        };
        await keepStaying(this.#files, name, staying, reapply, signal);
      }
      const last = changes.at(-1);
      const led = last?.ip6.kind === 'led' ? last.ip6 : undefined;
      await leadThroughHost(name, led, signal);
      await setWayOut(name, wish.keep.length > 0 ? wish.hostMac : undefined, signal);
      if (last !== undefined) this.#renewal.start(name, device, last);
      const problems = [
        ...(await this.#checkMtu(name, wish.mtu)),
        ...(last?.ip4.kind === 'asked'
          ? await waitForNewLan({ manager, device, name, startedMs, keep: wish.keep }, signal)
          : []),
      ];
      return { bound: true, problems, forMs: led?.forMs };
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

/**
 * Whether others reach the guest as it is: on a bridge with what it had behind the other host, whose hardware address each host
 * takes in, and behind a host that routes because IPv6 has been led through it (leadAtOnce).
 */
function worksAlready(
  { lan, keep }: NetworkWish,
  formerKeep: readonly string[],
  { ip6 }: NetworkChange,
): boolean {
  const stays = lan === 'same' && keep.length === 0 && formerKeep.length === 0;
  return stays && (ip6.kind === 'kept' || ip6.kind === 'renewed');
}

/**
 * IPv6 goes the way of the host that the guest is on now, before NetworkManager is asked for anything, which may take seconds
 * in a guest that has just moved. Where it gives the connection other routes in the end, these give way to them.
 */
async function leadAtOnce(name: string, { mode, hostMac }: NetworkWish, signal: AbortSignal): Promise<void> {
  const addresses = lastingAddresses6(name);
  const way = mode === 'bridged' || addresses.length === 0 ? undefined : wayThroughHost(hostMac, addresses);
  // What does not work now fails again in its turn, and is said then.
  await leadThroughHost(name, way, signal).catch(() => signal.throwIfAborted());
}
