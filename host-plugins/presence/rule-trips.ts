import type { Logger } from 'pino';
import { DockError } from '../../protocol/dock-error.ts';
import { type Leaving, lateTrip } from './late-trip.ts';
import type { StayAwake } from './observation.ts';
import { type PresenceClock, pause } from './presence-clock.ts';
import type { PresenceUnit } from './presence-unit.ts';
import type { WorkspacePlaces } from './workspace-places.ts';

export interface RuleTripsParts {
  readonly places: WorkspacePlaces;
  /** Absent: nothing here can hold the host awake. */
  readonly stayAwake: StayAwake | undefined;
  readonly clock: PresenceClock;
  readonly log: Logger;
  /** Aborts what is under way; only the stop of wdockd does. */
  readonly signal: AbortSignal;
  /** A trip has ended: the workspaces are somewhere else, or where they were. */
  readonly onEnd: () => void;
}

/** A host that leaves is left even over a link that stumbles. */
const urgentTries = 3;
const betweenTriesMs = 2_000;
/** What may be otherwise a moment later. */
const mayPass: ReadonlySet<DockError['kind']> = new Set(['peer-gone', 'io', 'timeout']);

interface RuleTrip {
  readonly unit: PresenceUnit;
  readonly trip: 'dock' | 'undock';
  /** The host leaves; there will be no other occasion. */
  readonly urgent: boolean;
  /** Aborted when there is no time left for it. */
  readonly late: AbortController;
}

/** The trips that rules decide: by the same way as those by hand, one after the other, and before a sleep at once. */
export class RuleTrips {
  readonly #parts: RuleTripsParts;
  /** Those that wait for their turn, too; with their ends. */
  readonly #underWay = new Map<RuleTrip, Promise<void>>();
  #last: Promise<void> = Promise.resolve();
  #change = Promise.withResolvers<void>();

  constructor(parts: RuleTripsParts) {
    this.#parts = parts;
    parts.signal.addEventListener('abort', () => this.placesChanged(), { once: true });
  }

  /** A workspace may have come to rest. */
  placesChanged(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  /** Begins a trip and returns; `urgent` ones wait for no other. Its failure goes to the unit and to the log. */
  begin(unit: PresenceUnit, trip: 'dock' | 'undock', urgent: boolean): void {
    const { signal } = this.#parts;
    const before = urgent ? Promise.resolve() : this.#last;
    const begun: RuleTrip = { unit, trip, urgent, late: new AbortController() };
    const ended = before.then(async () => {
      if (!signal.aborted) await this.#run(begun);
    });
    if (!urgent) this.#last = ended;
    this.#underWay.set(begun, ended);
    void ended.finally(() => this.#underWay.delete(begun));
  }

  /**
   * Holds the host awake until all trips that are under way, by hand too, have ended; what is not over when it will not wait
   * much longer is ended as lateTrip says. To be called in the same turn as the observation: the source lets go when nobody
   * has asked by then.
   */
  holdAwake(why: Leaving): void {
    const { stayAwake, signal, log, places } = this.#parts;
    const moving = () => !signal.aborted && places.list().some(({ where }) => where === 'moving');
    if (stayAwake === undefined || (this.#underWay.size === 0 && !moving())) return;
    const holding = async () => {
      using hold = await stayAwake.hold(`a workspace leaves before the ${why}`, signal);
      hold.late.addEventListener('abort', () => this.#isLate(why), { once: true });
      if (hold.late.aborted) this.#isLate(why);
      await this.ended();
      while (moving()) await this.#change.promise;
    };
    holding().catch((error: unknown) => {
      if (!signal.aborted) log.warn({ err: error }, 'this device could not be held awake for a trip');
    });
  }

  /** Resolves when none of these trips is under way. */
  async ended(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay.values());
  }

  #isLate(why: Leaving): void {
    const { places, log } = this.#parts;
    const all = places.list();
    for (const { unit, trip, late } of this.#underWay.keys()) {
      const place = all.find(({ name }) => name === unit.workspace);
      if (place === undefined) continue;
      const leaves = trip === 'dock' || place.home === unit.deviceId;
      const then = lateTrip(why, place.name, leaves);
      if ('end' in then) late.abort(then.end);
      else log.warn({ workspace: place.name, trip }, then.goesOn);
    }
    const byRule = new Set([...this.#underWay.keys()].map(({ unit }) => unit.workspace));
    for (const { name, where } of all) {
      if (where !== 'moving' || byRule.has(name)) continue;
      // By hand, or by the other device; what comes here ends over there, where its connection breaks.
      const then = lateTrip(why, name, true);
      if ('end' in then) void this.#keep(name, then.end);
      else log.warn({ workspace: name }, then.goesOn);
    }
  }

  async #keep(workspace: string, reason: DockError): Promise<void> {
    const { places, log } = this.#parts;
    try {
      if (await places.keep(workspace, reason)) log.warn({ workspace }, reason.message);
    } catch (error) {
      log.warn({ workspace, err: error }, 'its trip could not be ended');
    }
  }

  async #run({ unit, trip, urgent, late }: RuleTrip): Promise<void> {
    const { log, onEnd } = this.#parts;
    const { workspace, deviceId } = unit;
    const signal = AbortSignal.any([this.#parts.signal, late.signal]);
    // while it waited for its turn, the workspace may have gone elsewhere: nobody asks for this trip any more
    if (workspace === undefined || unit.state.acting === undefined) return;
    try {
      late.signal.throwIfAborted();
      if (trip === 'dock' && unit.state.nearness.level !== 'near') {
        throw new DockError('peer-gone', 'the device went away while another workspace was on its way');
      }
      await this.#travel(workspace, trip === 'dock' ? deviceId : undefined, urgent ? urgentTries : 1, signal);
      onEnd();
    } catch (thrown) {
      if (this.#parts.signal.aborted) return;
      const error = DockError.from(late.signal.aborted ? late.signal.reason : thrown);
      if (late.signal.aborted) log.warn({ workspace, trip }, error.message);
      else
        log.warn(
          { workspace, trip, kind: error.kind, why: error.message },
          'a trip by a rule did not come about',
        );
      unit.feed({ in: 'trip-failed', byHand: error.kind === 'cancelled' });
      onEnd();
    }
  }

  /** @param target undefined: home */
  async #travel(
    workspace: string,
    target: string | undefined,
    tries: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { places, clock, log } = this.#parts;
    try {
      if (target === undefined) await places.undock(workspace, signal);
      else await places.dock(workspace, target, signal);
    } catch (thrown) {
      const error = DockError.from(thrown);
      if (tries <= 1 || signal.aborted || !mayPass.has(error.kind)) throw thrown;
      log.warn({ workspace, kind: error.kind, why: error.message }, 'once more, while there is time');
      await pause(clock, betweenTriesMs, signal);
      signal.throwIfAborted();
      await this.#travel(workspace, target, tries - 1, signal);
    }
  }
}
