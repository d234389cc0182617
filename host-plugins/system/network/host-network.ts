import { isDeepStrictEqual } from 'node:util';
import { DockError } from '../../../protocol/dock-error.ts';
import {
  ipv4Settings,
  isForwarded,
  isIpv6,
  lanInterface,
  type NetworkBinding,
  type RoutedBinding,
  tapHardwareAddress,
} from './binding.ts';
import { dnsmasqRuns } from './dhcp/dnsmasq.ts';
import { findDhcpServer } from './dhcp/find-dhcp-server.ts';
import { findNatNetwork } from './find-nat-network.ts';
import { hardwareAddressOf } from './hardware-address.ts';
import { commandLimitMs, ip, ipBatch, unlessGone } from './ip-command.ts';
import { forwardIpv6, speaksIpv6 } from './ipv6-forwarding.ts';
import { writeIfThere, writeSetting } from './kernel-settings.ts';
import { layPath } from './lay-path.ts';
import { answersLost, isOnLan } from './lost-answers.ts';
import { forgetCommand } from './neighbour-commands.ts';
import { buildAnnouncement } from './neighbour-frames.ts';
import { type NetworkRecord, NetworkRecords } from './network-record.ts';
import { findObstacle } from './port-beside.ts';
import { putBack, settingsBefore } from './put-back.ts';
import { findInterface } from './read-interfaces.ts';
import { sendRepeatedly } from './send-repeatedly.ts';
import { Standstill, type StandstillSettings } from './standstill.ts';
import { withoutIpv6 } from './tap-settings.ts';
import { tellingInterface, WaitingAnnouncer } from './waiting-announcer.ts';

export interface HostNetworkSettings {
  /** Where changes are noted, so that they can be put back after a crash. */
  readonly runtimeFolder: string;
  /** TCP ports of this host that no policy opens to a guest: wdockd's. */
  readonly closedPorts: readonly number[];
}

/** How a LAN is told of a guest. */
interface Telling {
  /** This host takes up the guest's traffic. */
  readonly answering: Promise<void>;
  readonly waiting: WaitingAnnouncer | undefined;
  readonly onFirst: () => void;
}

/**
 * Taps, and how they are joined to the LAN. Every change is written down before it is made and put back by
 * `withdraw`, also by another wdockd after this one was killed. Calls are done one after the other.
 */
export class HostNetwork {
  readonly #records: NetworkRecords;
  readonly #closedPorts: readonly number[];
  readonly #standstill: Standstill;
  /** What this host answers for where it routes, by tap. Of a killed process nobody asks it: its successor binds anew. */
  readonly #answering = new Map<string, RoutedBinding>();
  /** As this process has laid it and not put it back, by tap. */
  readonly #laid = new Map<string, NetworkBinding>();
  /** What `announce` needs, by tap, from `bind` on. */
  readonly #announcers = new Map<string, WaitingAnnouncer>();
  readonly #besideWorks = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(settings: HostNetworkSettings) {
    this.#records = new NetworkRecords(settings.runtimeFolder);
    this.#closedPorts = settings.closedPorts;
    this.#standstill = new Standstill(this.#records);
  }

  /**
   * Makes the persistent tap that QEMU opens by name, up and joined to nothing. One that is there already is
   * used, unless it is another user's; `conflict` when something else has the name. `user`: who may open it, besides root;
   * by default everybody who may open /dev/net/tun.
   */
  createTap(tap: string, guestMac: string, user: string | undefined, signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const present = await findInterface(tap, signal);
      if (present !== undefined && !present.isTap) {
        throw new DockError(
          'conflict',
          `the interface ${tap} exists and is no tap of ours; rename or remove it`,
        );
      }
      const another = user !== undefined && present?.tapOwner !== undefined && present.tapOwner !== user;
      if (another) await unlessGone(['ip', 'link', 'delete', 'dev', tap], signal);
      if (present === undefined || another) {
        const owner = user === undefined ? [] : ['user', user];
        // With vnet_hdr on every host: QEMU refuses a VM whose tap had it on a tap that has not.
        await ip(['tuntap', 'add', 'dev', tap, 'mode', 'tap', 'vnet_hdr', ...owner], signal);
      }
      await ip(['link', 'set', 'dev', tap, 'address', tapHardwareAddress(guestMac)], signal);
      await writeIfThere(withoutIpv6(tap), signal);
      await ip(['link', 'set', 'dev', tap, 'up'], signal);
    });
  }

  /** Withdraws, then removes the tap. Nothing to do is no error. */
  async removeTap(tap: string, signal: AbortSignal): Promise<void> {
    await this.withdraw(tap, signal);
    await this.#inTurn(() => unlessGone(['ip', 'link', 'delete', 'dev', tap], signal));
  }

  /** The hardware address of the host's end of the tap; undefined when there is no such tap. */
  async hardwareAddress(name: string, signal: AbortSignal): Promise<string | undefined> {
    return (await findInterface(name, signal))?.mac;
  }

  /**
   * Lays the whole path between the tap and the LAN, but answers for nobody yet: the guest may run elsewhere for
   * minutes, and is reached there, also by this host (`announce`). When this throws, nothing is changed. What was
   * joined before is withdrawn first. What `announce` will need of other programs waits from here on, while `signal` is not
   * aborted.
   */
  bind(binding: NetworkBinding, signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      await this.#lay(binding, signal);
      // Behind NAT nobody on the LAN knows the guest.
      if (binding.mode !== 'nat') this.#announcers.set(binding.tap, new WaitingAnnouncer(binding, signal));
    });
  }

  async #lay(binding: NetworkBinding, signal: AbortSignal): Promise<void> {
    await this.#putBack(binding.tap, signal);
    const tapMac = (await findInterface(binding.tap, signal))?.mac;
    if (tapMac === undefined) throw new DockError('not-found', `there is no tap ${binding.tap}`);
    const record = await this.#prepare(binding, signal);
    await this.#records.write(record);
    const { folder } = this.#records;
    try {
      await layPath(record, { tapMac, closedPorts: this.#closedPorts, folder }, signal);
      this.#standstill.laid(binding.tap);
      this.#laid.set(binding.tap, binding);
    } catch (error) {
      await this.#putBack(binding.tap, AbortSignal.timeout(commandLimitMs)).catch(() => {});
      throw error;
    }
  }

  /** All that is to be known before anything is changed. */
  async #prepare(binding: NetworkBinding, signal: AbortSignal): Promise<NetworkRecord> {
    const others = await this.#records.others(binding.tap);
    const record = { binding, before: await settingsBefore(binding, others, signal) };
    if (binding.mode === 'nat') return { ...record, nat: await findNatNetwork(binding, others, signal) };
    if (binding.mode !== 'routed' || binding.guestMac === undefined) return record;
    const { uplink, guestMac, guestAddresses } = binding;
    const relay = await findDhcpServer(uplink, guestMac, guestAddresses, signal);
    return relay === undefined ? record : { ...record, relay };
  }

  /** Why no guest can be beside this host on a link; undefined where it can. What was seen to work is not tried again. */
  async besideObstacle(link: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#besideWorks.has(link)) return undefined;
    const obstacle = await findObstacle(link, signal);
    if (obstacle === undefined) this.#besideWorks.add(link);
    return obstacle;
  }

  /** Whether a guest at this tap gets an answer to DHCP from this host, from itself or passed on. */
  async servesDhcp(tap: string): Promise<boolean> {
    const record = await this.#records.read(tap);
    if (record?.relay === undefined && record?.nat === undefined) return false;
    return dnsmasqRuns({ folder: this.#records.folder, tap });
  }

  /**
   * Takes the tap off the LAN: from here this host answers for the guest no more. To be called as soon as the VM
   * has been released to another host. Does all it can before it throws.
   */
  withdraw(tap: string, signal: AbortSignal): Promise<void> {
    return this.#inTurn(() => this.#putBack(tap, signal));
  }

  /**
   * The VM at this tap stands still for a move: what is sent to it waits for it where it stays on its LAN, and otherwise
   * who sends over a connection that is open is told, and tries again soon (standstill-rules.ts). Until `goOn` or
   * `withdraw`, or for the time that is set: a wdockd that was killed keeps no guest from being reached. Nothing
   * where the tap is not joined to a LAN; throws where the kernel cannot do it.
   */
  standStill(tap: string, settings: StandstillSettings, signal: AbortSignal): Promise<void> {
    return this.#standstill.begin(tap, settings, signal);
  }

  /** The VM at this tap will stand still soon: nothing has to be started for it then. `signal` ends what waits. */
  readyStandstill(tap: string, signal: AbortSignal): void {
    this.#standstill.ready(tap, signal);
  }

  /** The VM at this tap is about to run here. At once where nobody can have said that it stands still. */
  goOn(tap: string, signal: AbortSignal): Promise<void> {
    return this.#standstill.end(tap, signal);
  }

  /**
   * Begins to answer for the guest, and tells the LAN so, three times. Bridged and beside: with the guest's own hardware
   * address; routed: with that of the uplink, for a Wi-Fi station may send with no other. To be called as the VM is
   * let run here, when it can run nowhere else, and not before: from here traffic for the guest comes to this host.
   * `conflict` when the tap is not joined so. Of `binding` counts what it is joined to, and the addresses.
   */
  async announce(
    binding: NetworkBinding,
    guestMac: string,
    guestAddresses: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    // Taken away first: it must not be ended where what was laid is laid anew.
    using waiting = this.#announcers.get(binding.tap);
    this.#announcers.delete(binding.tap);
    const answering = this.#inTurn(() => this.#answer(binding, waiting, signal));
    // Starting programs for what only this host got wrong is not to keep the LAN waiting.
    const told = Promise.withResolvers<void>();
    const telling = this.#tell(binding, guestMac, guestAddresses, signal, {
      answering,
      waiting,
      onFirst: told.resolve,
    });
    const relearning = this.#inTurn(async () => {
      await Promise.race([told.promise, telling]);
      await this.#relearn(binding, guestMac, signal);
    });
    await Promise.all([telling, relearning]);
  }

  async #tell(
    binding: NetworkBinding,
    guestMac: string,
    guestAddresses: readonly string[],
    signal: AbortSignal,
    { answering, waiting, onFirst }: Telling,
  ): Promise<void> {
    // Behind NAT nobody on the LAN knows the guest.
    if (binding.mode === 'nat' || guestAddresses.length === 0) return answering;
    const frames = async () => {
      const mac = isForwarded(binding) ? await hardwareAddressOf(binding.uplink, signal) : guestMac;
      const built = guestAddresses.map((address) => buildAnnouncement(mac, address));
      await answering;
      return built;
    };
    const sender = { waiting: waiting?.senderAt(binding), onFirst };
    await sendRepeatedly(tellingInterface(binding), frames(), sender, signal);
  }

  async #answer(
    binding: NetworkBinding,
    waiting: WaitingAnnouncer | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    // What this process has laid need not be read, which takes a while on a busy computer.
    const bound = this.#laid.get(binding.tap) ?? (await this.#records.read(binding.tap))?.binding;
    if (bound?.mode !== binding.mode || lanInterface(bound) !== lanInterface(binding)) {
      throw new DockError(
        'conflict',
        `${binding.tap} is not joined to ${lanInterface(binding)}; bind it first`,
      );
    }
    if (binding.mode === 'nat') return;
    const { guestAddresses = [] } = binding;
    // The guest has other addresses by now.
    if (!isDeepStrictEqual(bound.guestAddresses ?? [], guestAddresses)) {
      await this.#lay({ ...bound, guestAddresses }, signal);
    }
    if (binding.mode !== 'routed') return;
    this.#answering.set(binding.tap, binding);
    await ipBatch(answerCommands(binding), signal, waiting?.ip);
  }

  /** Where a guest is on the LAN's own link: what this host and its bridge knew of its old place. */
  async #relearn(binding: NetworkBinding, guestMac: string, signal: AbortSignal): Promise<void> {
    // Beside a link nothing goes between this host and the guest.
    if (binding.mode !== 'bridged') return;
    const { tap, bridge, guestAddresses = [] } = binding;
    const known = guestAddresses.map((address) => forgetCommand(address, bridge));
    // The bridge may know the guest behind another port, from when it was on another bridged host.
    const entry = [guestMac, 'dev', tap, 'master', 'dynamic'];
    await Promise.all([unlessGone(['bridge', 'fdb', 'replace', ...entry], signal), ipBatch(known, signal)]);
  }

  /**
   * Answers again for guests that are routed here, and tells the LAN so, where an uplink has lost it: the kernel forgets
   * what a host answers for others as soon as an interface is down, as Wi-Fi is while the computer sleeps or takes another
   * hardware address. Nothing while an uplink has no address of the guest's LAN.
   * @returns the taps for which that was so
   */
  async renewAnswers(signal: AbortSignal): Promise<string[]> {
    const renewed: string[] = [];
    for (const tap of this.#answering.keys()) {
      const binding = await this.#inTurn(() => this.#answerAgain(tap, signal));
      if (binding === undefined) continue;
      renewed.push(tap);
      const mac = await hardwareAddressOf(binding.uplink, signal);
      const frames = binding.guestAddresses.map((address) => buildAnnouncement(mac, address));
      await sendRepeatedly(binding.uplink, Promise.resolve(frames), {}, signal);
    }
    return renewed;
  }

  async #answerAgain(tap: string, signal: AbortSignal): Promise<RoutedBinding | undefined> {
    const binding = this.#answering.get(tap);
    if (binding === undefined) return undefined;
    const uplink = await findInterface(binding.uplink, signal);
    if (uplink === undefined || !isOnLan(uplink, binding.guestAddresses)) return undefined;
    if (!(await answersLost(binding.uplink, binding.guestAddresses, signal))) return undefined;
    for (const setting of ipv4Settings(binding)) await writeSetting(setting, signal);
    if (binding.guestAddresses.some(isIpv6) && (await speaksIpv6(binding.uplink, signal))) {
      await forwardIpv6([binding.uplink, tap], binding.uplink, signal);
    }
    await ipBatch(answerCommands(binding), signal);
    return binding;
  }

  async #putBack(tap: string, signal: AbortSignal): Promise<void> {
    this.#answering.delete(tap);
    this.#laid.delete(tap);
    this.#announcers.get(tap)?.[Symbol.dispose]();
    this.#announcers.delete(tap);
    await putBack(tap, this.#records, signal);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => {});
    return mine;
  }
}

/**
 * Routes to the guest, and the host's answers for it on the LAN. `ip neigh add proxy` and not `proxy_arp` on the
 * uplink: the host then answers there for the guest alone, and not for everything that it happens to have a route to.
 */
function answerCommands({ tap, uplink, guestAddresses, guestMac }: RoutedBinding): string[][] {
  // It need not be asked for what is known, when it has just begun to run again and has the most to do.
  const known = guestMac === undefined ? [] : [['lladdr', guestMac, 'dev', tap, 'nud', 'reachable']];
  return guestAddresses.flatMap((address) => [
    ['route', 'replace', `${address}/${isIpv6(address) ? 128 : 32}`, 'dev', tap, 'scope', 'link'],
    ...known.map((words) => ['neigh', 'replace', address, ...words]),
    ['neigh', 'replace', 'proxy', address, 'dev', uplink],
    forgetCommand(address, uplink),
  ]);
}
