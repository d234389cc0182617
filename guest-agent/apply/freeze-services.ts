import { DockError } from '../../protocol/dock-error.ts';
import { type DbusConnection, dbusErrorName } from '../dbus/dbus-connection.ts';
import { plainDbusValue } from '../dbus/dbus-value.ts';
import { chooseServices } from '../decide/choose-services.ts';
import type { StoredState } from '../stored-state.ts';

const destination = 'org.freedesktop.systemd1';
const manager = {
  destination,
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
};
/** Freezing waits for every process of the unit; one in an uninterruptible wait can hold it up. */
const timeoutMs = 15_000;

/** Freezes and thaws units by systemd's FreezeUnit, and remembers (over restarts of the agent) what it froze. */
export class ServiceFreezer {
  readonly #bus: DbusConnection;
  readonly #stored: StoredState;

  constructor(bus: DbusConnection, stored: StoredState) {
    this.#bus = bus;
    this.#stored = stored;
  }

  /** Returns what could not be done. A unit that does not exist or does not run sleeps well enough. */
  async apply(sleep: readonly string[], signal: AbortSignal): Promise<string[]> {
    const change = chooseServices(sleep, this.#stored.read().frozen);
    const problems = [...change.problems];
    for (const unit of change.thaw) problems.push(...(await this.#thaw(unit, signal)));
    for (const unit of change.freeze) problems.push(...(await this.#freeze(unit, signal)));
    return problems;
  }

  /** Thaws all that the agent froze. */
  thawAll(signal: AbortSignal): Promise<string[]> {
    return this.apply([], signal);
  }

  /** Of the units that the agent froze those that still are, as systemd says. */
  async readFrozen(signal: AbortSignal): Promise<string[]> {
    const frozen: string[] = [];
    for (const unit of this.#stored.read().frozen) {
      if ((await this.#freezerState(unit, signal)) === 'frozen') frozen.push(unit);
    }
    return frozen;
  }

  async #freeze(unit: string, signal: AbortSignal): Promise<string[]> {
    if ((await this.#freezerState(unit, signal)) === undefined) return [];
    // Written first: a unit frozen by an agent that dies right then is still known to be ours.
    const before = this.#stored.read().frozen;
    if (!before.includes(unit)) await this.#stored.write({ frozen: [...before, unit] });
    const failure = await this.#call('FreezeUnit', unit, signal);
    if (failure === undefined) return [];
    const state = await this.#freezerState(unit, signal);
    if (state === 'frozen') return [];
    if (state === 'running') await this.#forget(unit);
    return [`${unit} could not be frozen: ${failure}`];
  }

  async #thaw(unit: string, signal: AbortSignal): Promise<string[]> {
    const failure = await this.#call('ThawUnit', unit, signal);
    const state = await this.#freezerState(unit, signal);
    if (failure !== undefined && state !== undefined && state !== 'running')
      return [`${unit} could not be thawed: ${failure}`];
    await this.#forget(unit);
    return [];
  }

  async #forget(unit: string): Promise<void> {
    await this.#stored.write({ frozen: this.#stored.read().frozen.filter((one) => one !== unit) });
  }

  async #call(member: string, unit: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      await this.#bus.call({ ...manager, member, signature: 's', body: [unit], timeoutMs }, signal);
      return undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      return DockError.from(error).message;
    }
  }

  /** undefined for a unit that is not loaded or not active. */
  async #freezerState(unit: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      const [path] = await this.#bus.call(
        { ...manager, member: 'GetUnit', signature: 's', body: [unit] },
        signal,
      );
      const target = { destination, path: String(path), interface: 'org.freedesktop.systemd1.Unit' };
      const active = plainDbusValue(await this.#bus.getProperty(target, 'ActiveState', signal));
      if (active === 'inactive' || active === 'failed') return undefined;
      return String(plainDbusValue(await this.#bus.getProperty(target, 'FreezerState', signal)));
    } catch (error) {
      if (dbusErrorName(error) !== undefined) return undefined;
      throw error;
    }
  }
}
