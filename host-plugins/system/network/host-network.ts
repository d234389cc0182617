import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import { run } from '../process/run.ts';
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
import { commandLimitMs, ip, nft, unlessGone } from './ip-command.ts';
import { hasIpv6, readSetting, writeSetting } from './kernel-settings.ts';
import { type NetworkRecord, NetworkRecords } from './network-record.ts';
import { buildRemoval, buildRules } from './nft-rules.ts';
import { type NetworkInterface, readInterfaces } from './read-interfaces.ts';

export interface HostNetworkSettings {
  /** Where changes are noted, so that they can be put back after a crash. */
  readonly runtimeFolder: string;
  /** TCP ports of this host that the guest may not reach: wdockd's. */
  readonly closedPorts: readonly number[];
}

/** When the announcements are sent, ms after the first; a lost frame on Wi-Fi must not cost the connection. */
const announceAtMs = [0, 50, 200];

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

  /** Joins the tap to the LAN. When this throws, nothing is changed. What was joined before is withdrawn first. */
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
        if (binding.mode === 'bridged') await joinBridge(binding, signal);
        else await route(binding, signal);
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
   * Tells the LAN where the guest is now, three times. Bridged: the guest's own hardware address; routed: that
   * of the uplink, for a Wi-Fi station may send with no other.
   */
  async announce(
    binding: NetworkBinding,
    guestMac: string,
    guestAddresses: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const out = lanInterface(binding);
    const mac = binding.mode === 'bridged' ? guestMac : await this.hardwareAddress(out, signal);
    if (mac === undefined) throw new DockError('not-found', `there is no interface ${out}`);
    if (binding.mode === 'bridged') {
      // The bridge may know the guest behind another port, from when it was on another bridged host.
      const entry = [guestMac, 'dev', binding.tap, 'master', 'dynamic'];
      await unlessGone(['bridge', 'fdb', 'replace', ...entry], signal);
    }
    const frames = guestAddresses.map((address) => buildGratuitousArp(mac, address));
    let elapsedMs = 0;
    for (const atMs of announceAtMs) {
      await delay(atMs - elapsedMs, undefined, { signal });
      elapsedMs = atMs;
      for (const input of frames) {
        await run(['socat', '-u', '-', `INTERFACE:${out}`], { input, timeoutMs: commandLimitMs, signal });
      }
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

async function joinBridge(binding: NetworkBinding & { mode: 'bridged' }, signal: AbortSignal): Promise<void> {
  await ip(['link', 'set', 'dev', binding.tap, 'master', binding.bridge], signal);
}

/**
 * `ip neigh add proxy` and not `proxy_arp` on the uplink: the host then answers there for the guest alone, and
 * not for everything that it happens to have a route to.
 */
async function route(binding: NetworkBinding & { mode: 'routed' }, signal: AbortSignal): Promise<void> {
  for (const address of binding.guestAddresses) {
    await ip(['route', 'replace', `${address}/32`, 'dev', binding.tap, 'scope', 'link'], signal);
    await ip(['neigh', 'replace', 'proxy', address, 'dev', binding.uplink], signal);
    // What this host itself knew of the guest as a neighbour on the LAN is no longer true.
    await unlessGone(['ip', 'neigh', 'flush', 'to', address, 'dev', binding.uplink], signal);
  }
}
