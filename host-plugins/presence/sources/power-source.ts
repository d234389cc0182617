import { setTimeout as delay } from 'node:timers/promises';
import type { Check } from '../../../protocol/control-methods.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import type { HostProfile } from '../../../protocol/host-profile.ts';
import type { Observation } from '../observation.ts';
import type { CheckedSource } from './checked-source.ts';

type Power = HostProfile['power'];

export interface PowerSettings {
  /** What feeds this device now. */
  readonly read: (signal: AbortSignal) => Promise<Power>;
  /** How often it is read, ms. */
  readonly everyMs?: number;
}

const defaultEveryMs = 3_000;

/**
 * Mains or battery, from the kernel. It is looked at again and again, a few small files of sysfs: the kernel's events need
 * a netlink socket, which Node has not, and UPower, which would tell over D-Bus, is on desktops only.
 */
export class PowerSource implements CheckedSource {
  readonly name = 'power';
  readonly #settings: PowerSettings;

  constructor(settings: PowerSettings) {
    this.#settings = settings;
  }

  async observe(told: (observation: Observation) => void, signal: AbortSignal): Promise<void> {
    const { read, everyMs = defaultEveryMs } = this.#settings;
    let last: Power | undefined;
    try {
      for (;;) {
        const power = await read(signal);
        if (power.source !== last?.source || power.percent !== last.percent) {
          told({ kind: 'power', mains: power.source === 'mains', batteryPercent: power.percent });
        }
        last = power;
        await delay(everyMs, undefined, { signal, ref: false });
      }
    } catch (error) {
      if (!signal.aborted) throw DockError.from(error, 'io');
    }
  }

  async check(signal: AbortSignal): Promise<Check> {
    const { name } = this;
    try {
      const { source, percent } = await this.#settings.read(signal);
      const charge = percent === undefined ? 'no battery' : `battery at ${percent} %`;
      return {
        name,
        state: 'ok',
        detail: `${source === 'mains' ? 'on the mains' : 'on battery'}, ${charge}`,
      };
    } catch (error) {
      signal.throwIfAborted();
      const detail = DockError.from(error).message;
      return { name, state: 'warning', detail, remedy: 'mend the profile that this device plays' };
    }
  }
}
