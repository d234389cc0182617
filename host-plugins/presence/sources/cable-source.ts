import type { Check } from '../../../protocol/control-methods.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { readWireless } from '../../system/host-inventory/read-wireless.ts';
import { watchKernelNetwork } from '../../system/network/kernel-news.ts';
import { type NetworkInterface, readInterfaces } from '../../system/network/read-interfaces.ts';
import type { Observation } from '../observation.ts';
import type { CheckedSource } from './checked-source.ts';
import type { PlayedHost } from './played-host.ts';

export interface CableSettings {
  /** Where this device plays another one: then that one's cables count. */
  readonly plays: PlayedHost | undefined;
  /** The interface that the configuration calls the uplink: it counts, whatever kind it is of. */
  readonly uplink: string | undefined;
}

/** Whether a network cable is in this device with somebody at its other end, as the kernel says when it changes. */
export class CableSource implements CheckedSource {
  readonly name = 'cable';
  readonly #settings: CableSettings;

  constructor(settings: CableSettings) {
    this.#settings = settings;
  }

  async observe(told: (observation: Observation) => void, signal: AbortSignal): Promise<void> {
    let last: boolean | undefined;
    const failed = new AbortController();
    let looking = Promise.resolve();
    const look = async () => {
      const plugged = (await this.#cables(signal)).some(({ carrier }) => carrier);
      if (plugged !== last && !signal.aborted) told({ kind: 'cable', plugged });
      last = plugged;
    };
    // One after the other, so that an old answer never comes last.
    const lookAgain = () => {
      looking = looking.then(look).catch((error: unknown) => failed.abort(error));
    };
    const watching = watchKernelNetwork(['link'], lookAgain, AbortSignal.any([signal, failed.signal]));
    lookAgain();
    await watching;
    await looking;
    if (failed.signal.aborted && !signal.aborted) throw DockError.from(failed.signal.reason);
  }

  async check(signal: AbortSignal): Promise<Check> {
    const { name } = this;
    try {
      const cables = await this.#cables(signal);
      const names = cables.map((each) => `${each.name} (${each.carrier ? 'plugged' : 'unplugged'})`);
      return { name, state: 'ok', detail: names.length === 0 ? 'no wired interface here' : names.join(', ') };
    } catch (error) {
      signal.throwIfAborted();
      const { message } = DockError.from(error);
      return { name, state: 'warning', detail: `unknown: ${message}`, remedy: 'install iproute2' };
    }
  }

  async #cables(signal: AbortSignal): Promise<NetworkInterface[]> {
    const { plays, uplink } = this.#settings;
    const interfaces = await readInterfaces(signal);
    const wireless = await readWireless(interfaces);
    const claimed = await plays?.links(signal);
    return interfaces.filter((each) => {
      if (each.loopback || wireless.has(each.name)) return false;
      if (claimed !== undefined) return claimed.get(each.name) === 'ethernet';
      // Of a kind: virtual, also the taps and bridges of guests.
      return each.kind === undefined || each.name === uplink;
    });
  }
}
