import type { AgentParams } from '../../protocol/agent-channel.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { DbusConnection } from '../dbus/dbus-connection.ts';
import { isUnitActive, runUnitJob } from '../dbus/systemd-units.ts';
import type { UserSessions } from '../dbus/user-sessions.ts';
import { mountUnit } from '../decide/mount-unit.ts';
import type { StoredState } from '../stored-state.ts';

const login = {
  destination: 'org.freedesktop.login1',
  path: '/org/freedesktop/login1',
  interface: 'org.freedesktop.login1.Manager',
};

/**
 * Readies the guest for a host that its user does not trust, and takes that back. What it unmounted it remembers over
 * its own restarts, and mounts nothing else.
 */
export class GuestGuard {
  readonly #bus: DbusConnection;
  readonly #sessions: Pick<UserSessions, 'lockSecrets'>;
  readonly #stored: StoredState;

  constructor(bus: DbusConnection, sessions: Pick<UserSessions, 'lockSecrets'>, stored: StoredState) {
    this.#bus = bus;
    this.#sessions = sessions;
    this.#stored = stored;
  }

  /** Returns what could not be done. */
  async apply(
    { guarded, lock, unmount }: AgentParams<'apply-guard'>,
    signal: AbortSignal,
  ): Promise<string[]> {
    await this.#stored.write({ guarded });
    if (!guarded) return await this.#mountAgain(signal);
    const locked = lock
      ? [...(await this.#lockSessions(signal)), ...(await this.#sessions.lockSecrets(signal))]
      : [];
    const problems: string[] = [];
    for (const path of unmount) problems.push(...(await this.#unmount(path, signal)));
    return [...locked, ...problems];
  }

  async #lockSessions(signal: AbortSignal): Promise<string[]> {
    return await this.#attempt('the sessions were not locked', signal, async () => {
      await this.#bus.call({ ...login, member: 'LockSessions' }, signal);
      return [];
    });
  }

  async #unmount(path: string, signal: AbortSignal): Promise<string[]> {
    const unit = mountUnit(path);
    if (unit === undefined) return [`"${path}" is no mount point that can be taken away`];
    return await this.#attempt(`${path} is still mounted`, signal, async () => {
      if (!(await isUnitActive(this.#bus, unit, signal))) return [];
      // Written first: what an agent that dies right then has unmounted is still known to be ours.
      const before = this.#stored.read().unmounted;
      if (!before.includes(unit)) await this.#stored.write({ unmounted: [...before, unit] });
      const result = await runUnitJob(this.#bus, 'StopUnit', unit, signal);
      if (!(await isUnitActive(this.#bus, unit, signal))) return [];
      await this.#forget(unit);
      return [`${path} is still mounted (${unit}: ${result}); a program that has files open there keeps it`];
    });
  }

  async #mountAgain(signal: AbortSignal): Promise<string[]> {
    const problems: string[] = [];
    for (const unit of this.#stored.read().unmounted) {
      problems.push(
        ...(await this.#attempt(`${unit} was not mounted again`, signal, async () => {
          const result = await runUnitJob(this.#bus, 'StartUnit', unit, signal);
          if (result !== 'done') return [`${unit} was not mounted again: ${result}`];
          await this.#forget(unit);
          return [];
        })),
      );
    }
    return problems;
  }

  async #forget(unit: string): Promise<void> {
    await this.#stored.write({ unmounted: this.#stored.read().unmounted.filter((one) => one !== unit) });
  }

  async #attempt(what: string, signal: AbortSignal, work: () => Promise<string[]>): Promise<string[]> {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) throw error;
      return [`${what}: ${DockError.from(error).message}`];
    }
  }
}
