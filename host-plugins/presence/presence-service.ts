import type { Logger } from 'pino';
import { chooseTriggers, type OtherDevice } from '../../policies/choose/choose-triggers.ts';
import { withinHours } from '../../policies/language/weekly-hours.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { PresenceStatus } from '../../protocol/presence.ts';
import type { DeviceDirectory } from '../daemon/device-directory.ts';
import type { ControlHandlers } from '../daemon/handlers.ts';
import type { Service } from '../daemon/lifecycle.ts';
import type { WatchEvent, WatchHub } from '../daemon/watch-hub.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import type { PresenceDecision } from './engine/presence-state.ts';
import type { Observation, ObservationSource, StayAwake } from './observation.ts';
import { type PresenceClock, pause } from './presence-clock.ts';
import { presenceHandlers } from './presence-handlers.ts';
import type { PresenceUnit } from './presence-unit.ts';
import { PresenceUnits } from './presence-units.ts';
import type { RulesReader } from './read-rules.ts';
import { RuleTrips } from './rule-trips.ts';
import type { WorkspacePlaces } from './workspace-places.ts';

export interface PresenceParts {
  readonly selfId: string;
  readonly trust: TrustStore;
  readonly devices: Pick<DeviceDirectory, 'known' | 'tellPresence'>;
  readonly hub: WatchHub;
  readonly places: WorkspacePlaces;
  readonly sources: readonly ObservationSource[];
  readonly stayAwake: StayAwake | undefined;
  readonly openRules: (signal: AbortSignal) => Promise<RulesReader>;
  readonly clock: PresenceClock;
  readonly log: Logger;
}

/** Policy files are read again so often at least, ms, besides whenever something of this device changes. */
const rereadMs = 5 * 60_000;
const minuteMs = 60_000;

/** Nearness and triggers as a part of wdockd: observations in, trips out, by the rules of the policies. */
export class PresenceService implements Service {
  readonly name = 'presence';
  /** After the doors are open: what it does is what a person would do then. */
  readonly stage = 'run';
  readonly controlHandlers: ControlHandlers;
  readonly #parts: PresenceParts;
  readonly #stopping = new AbortController();
  readonly #units: PresenceUnits;
  readonly #trips: RuleTrips;
  readonly #running: Promise<unknown>[] = [];
  #reading: Promise<DockError | undefined> = Promise.resolve(undefined);
  #reread: Disposable | undefined;
  #minute: Disposable | undefined;
  #lastMistake = '';

  constructor(parts: PresenceParts) {
    this.#parts = parts;
    const { selfId, trust, places, clock, stayAwake, log, hub } = parts;
    const { signal } = this.#stopping;
    this.#trips = new RuleTrips({
      places,
      stayAwake,
      clock,
      log,
      signal,
      onEnd: () => this.#placesChanged(),
    });
    const stranger: OtherDevice = { name: '', deviceClass: undefined, trust: 'untrusted' };
    this.#units = new PresenceUnits({
      selfId,
      trust,
      places,
      clock,
      firstRules: { rules: firstRules(stranger), decisions: [] },
      listener: {
        decided: (unit, decision) => this.#decided(unit, decision),
        changed: (unit) => hub.publish({ kind: 'presence', at: clock.wall(), status: this.statusOf(unit) }),
      },
    });
    this.controlHandlers = presenceHandlers({
      units: () => this.#units.list(),
      statusOf: (unit) => this.statusOf(unit),
      reread: async () => await this.#readRules(),
    });
  }

  async start(): Promise<void> {
    const { hub, trust, devices, sources } = this.#parts;
    const { signal } = this.#stopping;
    this.#running.push(hub.watch((event) => this.#follow(event), signal));
    const trusted = () => this.#placesChanged();
    trust.on('added', trusted).on('forgotten', trusted);
    signal.addEventListener('abort', () => trust.off('added', trusted).off('forgotten', trusted));
    // without a source nobody can say who is near, and "away" would be a guess
    if (sources.length > 0) {
      devices.tellPresence((id) => this.#units.of(id).map((unit) => this.statusOf(unit)));
    }
    this.#units.refresh();
    await this.#readRules();
    for (const source of sources) this.#running.push(this.#observe(source));
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new DockError('cancelled', 'wdockd is stopping'));
    this.#reread?.[Symbol.dispose]();
    this.#minute?.[Symbol.dispose]();
    this.#units[Symbol.dispose]();
    await this.#trips.ended();
    await Promise.all([...this.#running, this.#reading]);
  }

  statusOf(unit: PresenceUnit): PresenceStatus {
    return unit.status(this.#parts.trust.byId(unit.deviceId)?.name ?? unit.deviceId.slice(0, 12));
  }

  /** What a source needs may be installed, or started, while wdockd runs. */
  async #observe(source: ObservationSource): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stopping;
    for (let said = ''; !signal.aborted; ) {
      try {
        await source.observe((observation) => this.#observed(observation), signal);
      } catch (thrown) {
        const why = DockError.from(thrown).message;
        if (!signal.aborted && why !== said)
          log.warn({ source: source.name, why }, 'a source is left out, and tried again every minute');
        said = why;
      }
      await pause(clock, minuteMs, signal);
    }
  }

  #observed(observation: Observation): void {
    if (this.#stopping.signal.aborted) return;
    this.#units.tell(observation);
    if (observation.kind === 'leaving') this.#trips.holdAwake(observation.why);
    // what `when` in a policy asks of this device
    if (observation.kind === 'power' || observation.kind === 'cable') void this.#readRules();
  }

  #decided(unit: PresenceUnit, decision: PresenceDecision): void {
    const { log } = this.#parts;
    const about = { workspace: unit.workspace, device: this.statusOf(unit).device };
    switch (decision.decide) {
      case 'ask':
        log.info({ ...about, trip: decision.question.trip, why: decision.question.why }, 'a trigger asks');
        break;
      case 'close-question':
        log.info({ ...about, trip: decision.question.trip, how: decision.how }, 'the question is closed');
        break;
      case 'dock':
      case 'undock':
        log.info({ ...about, trip: decision.decide, why: decision.why }, 'a trigger decides');
        this.#trips.begin(unit, decision.decide, decision.urgent);
        break;
    }
  }

  /** Trips by hand, and what the other device does, are seen by what they change. */
  #follow(event: WatchEvent): void {
    if (event.kind === 'workspace' || (event.kind === 'trip' && event.event.kind === 'trip-started'))
      this.#placesChanged();
  }

  #placesChanged(): void {
    if (this.#stopping.signal.aborted) return;
    this.#trips.placesChanged();
    if (this.#units.refresh()) void this.#readRules();
  }

  /** One reading at a time; a mistake in a file leaves the rules as they were, and is logged once. */
  async #readRules(): Promise<DockError | undefined> {
    this.#reading = this.#reading.then(async () => {
      const { signal } = this.#stopping;
      if (signal.aborted) return undefined;
      try {
        await this.#applyRules(signal);
        this.#lastMistake = '';
        return undefined;
      } catch (thrown) {
        const error = DockError.from(thrown);
        if (!signal.aborted && error.message !== this.#lastMistake) {
          this.#lastMistake = error.message;
          this.#parts.log.error({ why: error.message }, 'the triggers stay as they were');
        }
        return error;
      }
    });
    return await this.#reading;
  }

  async #applyRules(signal: AbortSignal): Promise<void> {
    const { openRules, places, trust, devices, clock } = this.#parts;
    this.#reread?.[Symbol.dispose]();
    this.#reread = clock.alarm(clock.now() + rereadMs, () => void this.#readRules());
    const read = await openRules(signal);
    for (const unit of this.#units.list()) {
      const device = trust.byId(unit.deviceId);
      if (device === undefined) continue;
      const other: OtherDevice = {
        name: device.name,
        deviceClass: devices.known(device).deviceClass,
        trust: device.trust === 'kiosk' ? 'untrusted' : 'trusted',
      };
      const policy = places.list().find(({ name }) => name === unit.workspace)?.policy;
      const sourced = await read(other, policy, signal);
      if (signal.aborted) return;
      unit.use(sourced);
    }
    this.#lookAtTheClock();
  }

  /** `triggers.hours` begin and end at whole minutes of local time. */
  #lookAtTheClock(): void {
    const { clock } = this.#parts;
    this.#minute?.[Symbol.dispose]();
    const timed = this.#units.list().some((unit) => unit.sourced.rules.hours.length > 0);
    const wall = clock.wall();
    const local = new Date(wall);
    const time = { day: local.getDay(), minute: local.getHours() * 60 + local.getMinutes() };
    for (const unit of this.#units.list())
      unit.feed({ in: 'hours', within: withinHours(unit.sourced.rules.hours, time) });
    if (timed)
      this.#minute = clock.alarm(clock.now() + minuteMs - (wall % minuteMs), () => this.#lookAtTheClock());
  }
}

/** Until the policies have been read nothing is docked, and nothing left behind either. */
function firstRules(other: OtherDevice) {
  const nothing = {
    deviceClass: 'mid' as const,
    simulated: true,
    cpus: { logical: 1, model: '' },
    memory: { totalMiB: 64 },
    displays: [],
    links: [],
    power: { source: 'mains' as const },
    input: { touch: false, keyboard: false, pointer: false },
    disk: { freeMiB: 0 },
  };
  return chooseTriggers([], nothing, other).rules;
}
