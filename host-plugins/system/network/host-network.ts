import { isDeepStrictEqual } from 'node:util';
import { DockError } from '../../../protocol/dock-error.ts';
import {
  forwardingSetting,
  lanInterface,
  type NetworkBinding,
  type Setting,
  sharedSettings,
  tapHardwareAddress,
  tapSettings,
  withoutIpv6,
} from './binding.ts';
import { buildGratuitousArp } from './gratuitous-arp.ts';
import { hardwareAddressOf } from './hardware-address.ts';
import { commandLimitMs, ip, ipBatch, nft, unlessGone } from './ip-command.ts';
import { hasIpv6, readSetting, writeSetting } from './kernel-settings.ts';
import { type NetworkRecord, NetworkRecords } from './network-record.ts';
import { buildRemoval, buildRules } from './nft-rules.ts';
import { type NetworkInterface, readInterfaces } from './read-interfaces.ts';
import { sendRepeatedly } from './send-repeatedly.ts';

export interface HostNetworkSettings {
  /** Where changes are noted, so that they can be put back after a crash. */
  readonly runtimeFolder: string;
  /** TCP ports of this host that the guest may not reach: wdockd's. */
  readonly closedPorts: readonly number[];
}

/**
 * Taps, and how they are joined to the LAN. Every change is written down before it is made and put back by
 * `withdraw`, also by another wdockd after this one was killed. Calls are done one after the other.
 */
export class HostNetwork {
  readonly #records: NetworkRecords;
  readonly #closedPorts: readonly number[];
  #last: Promise<unknown> = Promise.resolve();

  constructor(settings: HostNetworkSettings) {
    this.#records = new NetworkRecords(settings.runtimeFolder);
    this.#closedPorts = settings.closedPorts;
  }

  /**
   * Makes the persistent tap that QEMU opens by name, up and joined to nothing. One that is there already is
   * used; `conflict` when something else has the name. `user`: who may open it without being root.
   */
  createTap(tap: string, guestMac: string, user: string | undefined, signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const present = await this.#find(tap, signal);
      if (present !== undefined && !present.isTap) {
        throw new DockError(
          'conflict',
          `the interface ${tap} exists and is no tap of ours; rename or remove it`,
        );
      }
      if (present === undefined) {
        const owner = user === undefined ? [] : ['user', user];
        // With vnet_hdr on every host: QEMU refuses a VM whose tap had it on a tap that has not.
        await ip(['tuntap', 'add', 'dev', tap, 'mode', 'tap', 'vnet_hdr', ...owner], signal);
      }
      await ip(['link', 'set', 'dev', tap, 'address', tapHardwareAddress(guestMac)], signal);
      if (await hasIpv6()) await writeSetting(withoutIpv6(tap), signal);
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
    return (await this.#find(name, signal))?.mac;
  }

  /**
   * Lays the whole path between the tap and the LAN, but answers for nobody yet: the guest may run elsewhere for
   * minutes, and is reached there, also by this host (`announce`). When this throws, nothing is changed. What was
   * joined before is withdrawn first.
   */
  bind(binding: NetworkBinding, signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      await this.#putBack(binding.tap, signal);
      const mac = (await this.#find(binding.tap, signal))?.mac;
      if (mac === undefined) throw new DockError('not-found', `there is no tap ${binding.tap}`);
      const before = await this.#settingsBefore(binding, signal);
      await this.#records.write({ binding, before });
      try {
        const forwarding = forwardingSetting(lanInterface(binding));
        const forwardsForUsOnly = before.some(({ name, value }) => name === forwarding && value === '0');
        const closedPorts = this.#closedPorts;
        await nft(buildRules(binding, { tapMac: mac, closedPorts, forwardsForUsOnly }), signal);
        for (const setting of sharedSettings(binding)) await writeSetting(setting, signal);
        for (const setting of tapSettings(binding.tap, binding.mode === 'routed'))
          await writeSetting(setting, signal);
        if (binding.mode === 'bridged') {
          await ip(['link', 'set', 'dev', binding.tap, 'master', binding.bridge], signal);
        }
      } catch (error) {
        await this.#putBack(binding.tap, AbortSignal.timeout(commandLimitMs)).catch(() => {});
        throw error;
      }
    });
  }

  /**
   * Takes the tap off the LAN: from here this host answers for the guest no more. To be called as soon as the VM
   * has been released to another host. Does all it can before it throws.
   */
  withdraw(tap: string, signal: AbortSignal): Promise<void> {
    return this.#inTurn(() => this.#putBack(tap, signal));
  }

  /**
   * Begins to answer for the guest, and tells the LAN so, three times. Bridged: with the guest's own hardware
   * address; routed: with that of the uplink, for a Wi-Fi station may send with no other. To be called when the VM
   * runs here and not before: from here traffic for the guest comes to this host. `conflict` when `binding` is not
   * what the tap is bound to.
   */
  async announce(
    binding: NetworkBinding,
    guestMac: string,
    guestAddresses: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const answering = this.#inTurn(() => this.#answer(binding, guestMac, signal));
    const mac = binding.mode === 'bridged' ? guestMac : await hardwareAddressOf(binding.uplink, signal);
    const frames = guestAddresses.map((address) => buildGratuitousArp(mac, address));
    await Promise.all([answering, sendRepeatedly(lanInterface(binding), frames, answering, signal)]);
  }

  async #answer(binding: NetworkBinding, guestMac: string, signal: AbortSignal): Promise<void> {
    const record = await this.#records.read(binding.tap);
    const bound = record?.binding;
    if (
      record === undefined ||
      bound?.mode !== binding.mode ||
      lanInterface(bound) !== lanInterface(binding)
    ) {
      throw new DockError(
        'conflict',
        `${binding.tap} is not joined to ${lanInterface(binding)}; bind it first`,
      );
    }
    // Addresses that the guest got since: noted before they are answered for, beside the old ones.
    if (!isDeepStrictEqual(bound, binding)) {
      await this.#records.write({ ...record, binding: withAddressesOf(binding, bound) });
    }
    if (binding.mode === 'bridged') {
      // The bridge may know the guest behind another port, from when it was on another bridged host.
      const entry = [guestMac, 'dev', binding.tap, 'master', 'dynamic'];
      await unlessGone(['bridge', 'fdb', 'replace', ...entry], signal);
    } else {
      await ipBatch(answerCommands(binding), signal);
    }
  }

  /** What the shared settings were before the first of ours changed them. */
  async #settingsBefore(binding: NetworkBinding, signal: AbortSignal): Promise<Setting[]> {
    const others = (await this.#records.others(binding.tap)).flatMap((record) => record.before);
    return Promise.all(
      sharedSettings(binding).map(async ({ name }) => {
        const known = others.find((setting) => setting.name === name);
        return known ?? { name, value: await readSetting(name, signal) };
      }),
    );
  }

  async #putBack(tap: string, signal: AbortSignal): Promise<void> {
    const record = await this.#records.read(tap);
    const failures: DockError[] = [];
    const attempt = async (work: () => Promise<unknown>) => {
      try {
        await work();
      } catch (error) {
        failures.push(DockError.from(error));
      }
    };
    if (record?.binding.mode === 'routed') {
      const { guestAddresses, uplink } = record.binding;
      for (const address of guestAddresses) {
        await attempt(() => unlessGone(['ip', 'neigh', 'delete', 'proxy', address, 'dev', uplink], signal));
      }
    }
    if ((await this.#find(tap, signal)) !== undefined) {
      await attempt(() => unlessGone(['ip', 'route', 'flush', 'dev', tap], signal));
      await attempt(() => unlessGone(['ip', 'neigh', 'flush', 'dev', tap], signal));
      await attempt(() => unlessGone(['ip', 'link', 'set', 'dev', tap, 'nomaster'], signal));
      for (const setting of tapSettings(tap, false)) await attempt(() => writeSetting(setting, signal));
    }
    await attempt(() => nft(buildRemoval(tap), signal));
    if (record !== undefined) await attempt(() => this.#restoreSettings(record, signal));
    const [first] = failures;
    if (first !== undefined) {
      // The record stays, so that the next withdrawal tries again.
      throw new DockError(
        first.kind,
        `${tap} could not be taken off the network completely: ${first.message}`,
        {
          cause: first,
        },
      );
    }
    await this.#records.remove(tap);
  }

  async #restoreSettings(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    const stillUsed = new Set(
      (await this.#records.others(record.binding.tap)).flatMap((other) =>
        other.before.map(({ name }) => name),
      ),
    );
    const present = new Set((await readInterfaces(signal)).map(({ name }) => name));
    for (const setting of record.before) {
      const device = setting.name.split('/')[2] ?? '';
      if (!stillUsed.has(setting.name) && present.has(device)) await writeSetting(setting, signal);
    }
  }

  async #find(name: string, signal: AbortSignal): Promise<NetworkInterface | undefined> {
    return (await readInterfaces(signal)).find((each) => each.name === name);
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
function answerCommands({ tap, uplink, guestAddresses }: NetworkBinding & { mode: 'routed' }): string[][] {
  return guestAddresses.flatMap((address) => [
    ['route', 'replace', `${address}/32`, 'dev', tap, 'scope', 'link'],
    ['neigh', 'replace', 'proxy', address, 'dev', uplink],
    // What this host itself knew of the guest as a neighbour on the LAN is no longer true.
    ['neigh', 'flush', 'to', address, 'dev', uplink],
  ]);
}

function withAddressesOf(binding: NetworkBinding, other: NetworkBinding): NetworkBinding {
  if (binding.mode !== 'routed' || other.mode !== 'routed') return binding;
  const guestAddresses = [...new Set([...binding.guestAddresses, ...other.guestAddresses])];
  return { ...binding, guestAddresses };
}
