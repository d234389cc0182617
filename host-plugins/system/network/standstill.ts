import { readdir } from 'node:fs/promises';
import type { WaitingProgram } from '../process/waiting-program.ts';
import { InterfaceName, lanInterface, type NetworkBinding } from './binding.ts';
import { ipBatch, nft, startIpBatch, startNft } from './ip-command.ts';
import { forgetCommand } from './neighbour-commands.ts';
import type { NetworkRecords } from './network-record.ts';
import { portName } from './port-rules.ts';
import { buildStandstill, buildStandstillEnd } from './standstill-rules.ts';

export interface StandstillSettings {
  /** Ends by itself after this, ms. */
  readonly forMs: number;
  /** The VM will run on this LAN, here or at another host of it. */
  readonly staysOnLan: boolean;
}

/** Started before the guest stands still: what comes for it until they have done their work is lost. */
class WaitingPrograms implements Disposable {
  readonly ip: WaitingProgram;
  readonly nft: WaitingProgram;

  constructor(signal: AbortSignal) {
    this.ip = startIpBatch(signal);
    this.nft = startNft(signal);
  }

  [Symbol.dispose](): void {
    this.ip[Symbol.dispose]();
    this.nft[Symbol.dispose]();
  }
}

/**
 * What this host does for guests that stand still for a move (standstill-rules.ts). Not in turn with the other
 * changes of the network, behind which a VM would have to wait before it may run again: nft applies all or nothing.
 */
export class Standstill {
  readonly #records: NetworkRecords;
  /** Taps whose table was made in this process's life, and says nothing of the kind; of others nobody knows. */
  readonly #silent = new Set<string>();
  /** By tap. */
  readonly #ready = new Map<string, WaitingPrograms>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(records: NetworkRecords) {
    this.#records = records;
  }

  /** The tap's table was made anew. */
  laid(tap: string): void {
    this.#silent.add(tap);
  }

  /** A guest will stand still soon; `signal` ends what waits for that. */
  ready(tap: string, signal: AbortSignal): void {
    this.#ready.get(tap)?.[Symbol.dispose]();
    const programs = new WaitingPrograms(signal);
    this.#ready.set(tap, programs);
    const forget = () => {
      if (this.#ready.get(tap) === programs) this.#ready.delete(tap);
    };
    signal.addEventListener('abort', forget, { once: true });
  }

  begin(tap: string, { forMs, staysOnLan }: StandstillSettings, signal: AbortSignal): Promise<void> {
    this.#silent.delete(tap);
    const ready = this.#ready.get(tap);
    this.#ready.delete(tap);
    return this.#inTurn(async () => {
      using programs = ready;
      const binding = (await this.#records.read(tap))?.binding;
      // Behind NAT no sender knows the guest's address.
      if (binding === undefined || binding.mode === 'nat') return;
      const { guestAddresses = [] } = binding;
      const devices = await entrances(binding);
      if (guestAddresses.length === 0 || devices.length === 0) return;
      const lan = lanInterface(binding);
      // What is known of the guest would be sent to its tap. Only here: at no other way is it a neighbour of this host.
      if (staysOnLan && binding.mode === 'bridged') {
        await ipBatch(
          guestAddresses.map((address) => forgetCommand(address, lan)),
          signal,
          programs?.ip,
        );
      }
      const sendOnBy = staysOnLan ? lan : undefined;
      const rules = buildStandstill({ tap, devices, guestAddresses, forMs, sendOnBy });
      await nft(rules, signal, programs?.nft);
    });
  }

  async end(tap: string, signal: AbortSignal): Promise<void> {
    // Also on the way of a VM that comes: there it costs nothing.
    if (this.#silent.has(tap)) return;
    await this.#inTurn(async () => {
      if ((await this.#records.read(tap)) === undefined) return;
      await nft(buildStandstillEnd(tap), signal);
      this.#silent.add(tap);
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => {});
    return mine;
  }
}

/** Where frames for the guest come in: the uplink, its own port, or the other ports of the bridge. */
async function entrances(binding: Exclude<NetworkBinding, { mode: 'nat' }>): Promise<string[]> {
  if (binding.mode === 'beside') return [portName(binding.tap)];
  if (binding.mode === 'routed') return [binding.uplink];
  const ports = await readdir(`/sys/class/net/${binding.bridge}/brif`);
  return ports.filter((port) => port !== binding.tap && InterfaceName.safeParse(port).success);
}
