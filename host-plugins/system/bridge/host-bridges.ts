import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import { tapPrefix } from '../network/binding.ts';
import { findInterface, readInterfaces } from '../network/read-interfaces.ts';
import { NetworkManager } from '../network-manager/network-manager.ts';
import { run } from '../process/run.ts';
import { type BridgeRecord, BridgeRecords } from './bridge-record.ts';
import { judgeLink } from './judge-link.ts';
import { makeKernelBridge, recordKernelLink, removeKernelBridge, repairKernelLink } from './kernel-bridge.ts';
import {
  makeManagedBridge,
  recordManagedLink,
  removeManagedBridge,
  repairManagedLink,
} from './managed-bridge.ts';
import type { NoteCheckpoint } from './managed-steps.ts';
import { Reachability } from './reachability.ts';
import { readSituation } from './read-situation.ts';

export interface HostBridgesSettings {
  /** Where changes are noted, so that they can be put back after a crash. */
  readonly runtimeFolder: string;
  /** The system bus, `unix:path=…`. */
  readonly systemBus: string;
  /** How long a bridge stays when no guest is on this host any more, ms. */
  readonly holdOffMs: number;
}

/** Making one takes as long as its DHCP server; NetworkManager rolls back by itself after 20 s. */
const changeLimitMs = 15_000;
/** A NetworkManager that is started anew manages its interfaces within so many ms. */
const repairLimitMs = 40_000;
const retryMs = 500;
const commandLimitMs = 5_000;

/**
 * Bridges over wired interfaces that this host makes for its guests, and takes down again. Whatever ends a change in
 * the middle, the interface is put back: by this process, by NetworkManager, or by the wdockd that starts next
 * (`recover`). Calls are done one after the other.
 */
export class HostBridges {
  readonly #settings: HostBridgesSettings;
  readonly #records: BridgeRecords;
  #idleSince: number | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(settings: HostBridgesSettings) {
    this.#settings = settings;
    this.#records = new BridgeRecords(join(settings.runtimeFolder, 'bridges'));
  }

  /**
   * The bridge that the interface is a port of; made where it is none. When this throws, the interface is as it was:
   * `conflict` where a bridge cannot be made over it, with the reason.
   */
  ensure(link: string, signal: AbortSignal): Promise<string> {
    return this.#inTurn(async () => {
      this.#idleSince = undefined;
      const interfaces = await readInterfaces(signal);
      const present = interfaces.find(({ name }) => name === link);
      if (present === undefined) throw new DockError('not-found', `there is no interface ${link}`);
      if (present.master !== undefined) return present.master;
      await requireNobodyRouted(link, signal);
      const record = await this.#make(link, signal);
      return record.bridge;
    });
  }

  /** The bridge that the interface is a port of; undefined where it is none. */
  async find(link: string, signal: AbortSignal): Promise<string | undefined> {
    return (await findInterface(link, signal))?.master;
  }

  /** What a former wdockd began and did not end is put back; bridges that it made stay. Does all before it throws. */
  recover(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const begun = (await this.#records.list()).filter(({ state }) => state === 'changing');
      const results = await Promise.allSettled(begun.map((record) => this.#repair(record, signal)));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw DockError.from(failed.reason);
    });
  }

  /** Takes down what no guest has needed for the hold-off time. To be called from time to time. */
  sweep(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const made = (await this.#records.list()).filter(({ state }) => state === 'made');
      if (made.length === 0) return;
      const guests = (await readInterfaces(signal)).some(({ name }) => name.startsWith(tapPrefix));
      const now = performance.now();
      this.#idleSince = guests ? undefined : (this.#idleSince ?? now);
      if (this.#idleSince === undefined || now - this.#idleSince < this.#settings.holdOffMs) return;
      for (const record of made) await this.#remove(record, signal);
    });
  }

  async #make(link: string, signal: AbortSignal): Promise<BridgeRecord> {
    await using manager = await NetworkManager.connect(this.#settings.systemBus, signal);
    const device = await manager?.findDevice(link, signal);
    const situation = await readSituation(link, manager, device, signal);
    if (situation === undefined) throw new DockError('not-found', `there is no interface ${link}`);
    const judged = judgeLink(situation);
    if (!judged.possible) throw new DockError('conflict', judged.why);
    const reachability = await Reachability.of(link, signal);
    const record =
      manager !== undefined && situation.connection !== undefined
        ? await recordManagedLink(manager, link, judged.name, signal)
        : await recordKernelLink(link, judged.name, signal);
    await this.#change(record, signal, async (limited) => {
      if (record.by === 'kernel') await makeKernelBridge(record, reachability, limited);
      else if (manager !== undefined)
        await makeManagedBridge(manager, record, reachability, this.#noteOf(record), limited);
    });
    await this.#records.write({ ...record, state: 'made' });
    return record;
  }

  async #remove(record: BridgeRecord, signal: AbortSignal): Promise<void> {
    const changing: BridgeRecord = { ...record, state: 'changing' };
    await using manager = await NetworkManager.connect(this.#settings.systemBus, signal);
    if (record.by === 'network-manager' && manager === undefined) return; // later, when it runs again
    const reachability = await Reachability.of(record.bridge, signal);
    await this.#change(changing, signal, async (limited) => {
      if (changing.by === 'kernel') await removeKernelBridge(changing, reachability, limited);
      else if (manager !== undefined)
        await removeManagedBridge(manager, changing, reachability, this.#noteOf(changing), limited);
    });
    await this.#records.remove(record.bridge);
  }

  /** Notes the change, does it, and puts the interface back when it fails. */
  async #change(
    record: BridgeRecord,
    signal: AbortSignal,
    work: (limited: AbortSignal) => Promise<void>,
  ): Promise<void> {
    await this.#records.write(record);
    try {
      await work(AbortSignal.any([signal, AbortSignal.timeout(changeLimitMs)]));
    } catch (error) {
      const written = (await this.#records.list()).find(({ bridge }) => bridge === record.bridge);
      await this.#repair(written ?? record, AbortSignal.timeout(repairLimitMs));
      throw error;
    }
  }

  async #repair(record: BridgeRecord, signal: AbortSignal): Promise<void> {
    if (record.by === 'kernel') await repairKernelLink(record);
    else await this.#repairManaged(record, signal);
    await this.#records.remove(record.bridge);
  }

  /** NetworkManager may just be starting: it is asked until it answers. */
  async #repairManaged(record: BridgeRecord & { by: 'network-manager' }, signal: AbortSignal): Promise<void> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(repairLimitMs)]);
    for (let problem: unknown; ; ) {
      await using manager = await NetworkManager.connect(this.#settings.systemBus, limited).catch(
        () => undefined,
      );
      try {
        if (manager !== undefined) {
          await repairManagedLink(manager, record, limited);
          return;
        }
      } catch (error) {
        problem = error;
      }
      if (limited.aborted) {
        const why = problem === undefined ? 'NetworkManager does not run' : DockError.from(problem).message;
        throw new DockError(
          'io',
          `${record.link} could not be put back to its connection ${record.former}: ${why}`,
        );
      }
      await delay(retryMs, undefined, { signal: limited }).catch(() => {});
    }
  }

  #noteOf(record: BridgeRecord & { by: 'network-manager' }): NoteCheckpoint {
    return async (checkpoint) => {
      await this.#records.write(checkpoint === undefined ? record : { ...record, checkpoint });
    };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => {});
    return mine;
  }
}

/** Guests that are routed through an interface are answered for there, and would be lost behind a bridge. */
async function requireNobodyRouted(link: string, signal: AbortSignal): Promise<void> {
  const argv = ['ip', 'neigh', 'show', 'proxy', 'dev', link];
  const proxied = await Promise.all(
    ['-4', '-6'].map(async (family) => {
      const { stdout } = await run(['ip', family, ...argv.slice(1)], { timeoutMs: commandLimitMs, signal });
      return stdout.trim();
    }),
  );
  if (proxied.some((text) => text !== '')) {
    throw new DockError(
      'conflict',
      `guests are routed through ${link} just now; a bridge can be made without them`,
    );
  }
}
