import { setTimeout as delay } from 'node:timers/promises';
import type { Check } from '../../../../protocol/control-methods.ts';
import { DockError } from '../../../../protocol/dock-error.ts';
import type { DbusConnection } from '../../../system/dbus/dbus-connection.ts';
import type { Observation } from '../../observation.ts';
import type { CheckedSource } from '../checked-source.ts';
import { openSystemBus, whileOwned } from '../system-bus.ts';
import {
  logindName,
  managerFace,
  propertiesFace,
  readDelayMaxMs,
  readLidClosed,
  readSession,
  type SessionState,
} from './logind.ts';
import type { SleepGuard } from './sleep-guard.ts';

export interface LogindSettings {
  /** `unix:path=…` */
  readonly systemBus: string;
  readonly guard: SleepGuard;
  /** Whether this computer has a lid at all. */
  readonly hasLid: (signal: AbortSignal) => Promise<boolean>;
  /** How often it is looked at what nobody announces, ms: the lid, and an inhibitor that ended or was refused. */
  readonly everyMs?: number;
}

const defaultEveryMs = 2_000;
/** Below that, a VM cannot leave in time over most links, s. */
const usefulDelayS = 30;

const reasons = { PrepareForSleep: 'sleep', PrepareForShutdown: 'shutdown' } as const;
type Preparation = keyof typeof reasons;

/** What systemd-logind knows of this device: that it is about to leave, its lid, and the session on its screen. */
export class LogindSource implements CheckedSource {
  readonly name = 'logind';
  readonly #settings: LogindSettings;
  /** Why the host does not wait for us. */
  #refusal: DockError | undefined;

  constructor(settings: LogindSettings) {
    this.#settings = settings;
  }

  async observe(told: (observation: Observation) => void, signal: AbortSignal): Promise<void> {
    await using bus = await openSystemBus(this.#settings.systemBus);
    // Starts it where D-Bus can; else it is waited for.
    await readDelayMaxMs(bus, signal).catch(() => signal.throwIfAborted());
    const tell = (observation: Observation) => {
      if (!signal.aborted) told(observation);
    };
    await whileOwned(bus, logindName, (present) => this.#follow(bus, tell, present), signal);
  }

  async check(signal: AbortSignal): Promise<Check> {
    const { name } = this;
    try {
      await using bus = await openSystemBus(this.#settings.systemBus);
      const delayS = (await readDelayMaxMs(bus, signal)) / 1000;
      if (this.#refusal !== undefined) throw this.#refusal;
      const detail = `waits up to ${delayS} s for a VM to leave before this device sleeps or ends`;
      if (delayS >= usefulDelayS) return { name, state: 'ok', detail };
      return {
        name,
        state: 'warning',
        detail: `${detail}, which is short`,
        remedy:
          'restart the computer if the package was just installed; else set InhibitDelayMaxSec=120 below [Login] in /etc/systemd/logind.conf.d/wireless-dock.conf',
      };
    } catch (error) {
      signal.throwIfAborted();
      return {
        name,
        state: 'warning',
        detail: `lid, session and sleep of this device are not seen: ${DockError.from(error).message}`,
        remedy: 'run systemd-logind, with dbus; else bring VMs back by hand before this device sleeps',
      };
    }
  }

  /** With one logind. Rejects when `signal` aborts, or with what logind refuses. */
  async #follow(
    bus: DbusConnection,
    tell: (observation: Observation) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let leaving = false;
    let guarding = Promise.resolve();
    // One after the other, and never two inhibitors at once. It rejects when aborted alone: refusals are for `check`.
    const guard = (work: () => Promise<void>) => {
      guarding = guarding.then(work).catch(() => undefined);
      return guarding;
    };
    const take = async () => {
      if (!leaving && !this.#settings.guard.taken) await this.#takeGuard(bus, signal);
    };
    const prepare = (which: Preparation, begins: boolean) => {
      leaving = begins;
      if (begins) tell({ kind: 'leaving', why: reasons[which] });
      void guard(begins ? () => this.#settings.guard.leave(signal) : take);
    };
    const session = new SessionWatch(bus, tell);
    const from = { sender: logindName };
    const stop = (Object.keys(reasons) as Preparation[]).map((which) =>
      bus.listen({ ...from, interface: managerFace, member: which }, ({ body }) =>
        prepare(which, body[0] === true),
      ),
    );
    stop.push(
      bus.listen({ ...from, interface: propertiesFace, member: 'PropertiesChanged' }, () =>
        session.look(signal),
      ),
    );
    try {
      session.look(signal);
      const { hasLid, everyMs = defaultEveryMs } = this.#settings;
      const lid = (await hasLid(signal)) ? new LidWatch(bus, tell) : undefined;
      for (;;) {
        void guard(take);
        await lid?.look(signal);
        await delay(everyMs, undefined, { signal, ref: false });
      }
    } finally {
      for (const each of stop) each();
      await guarding;
      await this.#settings.guard.release();
    }
  }

  async #takeGuard(bus: DbusConnection, signal: AbortSignal): Promise<void> {
    this.#refusal = undefined;
    try {
      await this.#settings.guard.take(await readDelayMaxMs(bus, signal), signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#refusal = DockError.from(error);
    }
  }
}

class LidWatch {
  readonly #bus: DbusConnection;
  readonly #tell: (observation: Observation) => void;
  #last: boolean | undefined;

  constructor(bus: DbusConnection, tell: (observation: Observation) => void) {
    this.#bus = bus;
    this.#tell = tell;
  }

  /** logind signals no change of this property: it has to be looked at. */
  async look(signal: AbortSignal): Promise<void> {
    const closed = await readLidClosed(this.#bus, signal);
    if (closed !== this.#last) this.#tell({ kind: 'lid', closed });
    this.#last = closed;
  }
}

/** Tells the session on the screen when it has changed. Changes come in bursts, and are read once. */
class SessionWatch {
  readonly #bus: DbusConnection;
  readonly #tell: (observation: Observation) => void;
  #last: SessionState | undefined;
  #reading = false;
  #again = false;

  constructor(bus: DbusConnection, tell: (observation: Observation) => void) {
    this.#bus = bus;
    this.#tell = tell;
  }

  look(signal: AbortSignal): void {
    this.#again = true;
    if (this.#reading) return;
    this.#reading = true;
    const read = async () => {
      while (this.#again && !signal.aborted) {
        this.#again = false;
        const state = await readSession(this.#bus, signal);
        const changed = state?.locked !== this.#last?.locked || state?.idle !== this.#last?.idle;
        if (state !== undefined && changed) this.#tell({ kind: 'session', ...state });
        this.#last = state;
      }
    };
    read()
      .catch(() => undefined) // logind or the bus has gone: it is read anew when it is back
      .finally(() => {
        this.#reading = false;
      });
  }
}
