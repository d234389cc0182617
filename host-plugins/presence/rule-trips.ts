import type { Logger } from 'pino';
import { DockError } from '../../protocol/dock-error.ts';
import type { StayAwake } from './observation.ts';
import type { PresenceUnit } from './presence-unit.ts';
import type { WorkspacePlaces } from './workspace-places.ts';

export interface RuleTripsParts {
  readonly places: WorkspacePlaces;
  /** Absent: nothing here can hold the host awake. */
  readonly stayAwake: StayAwake | undefined;
  readonly log: Logger;
  /** Aborts what is under way; only the stop of wdockd does. */
  readonly signal: AbortSignal;
  /** A trip has ended: the workspaces are somewhere else, or where they were. */
  readonly onEnd: () => void;
}

/** The trips that rules decide: by the same way as those by hand, one after the other, and before a sleep at once. */
export class RuleTrips {
  readonly #parts: RuleTripsParts;
  readonly #underWay = new Set<Promise<void>>();
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
    const ended = before.then(async () => {
      if (!signal.aborted) await this.#run(unit, trip);
    });
    if (!urgent) this.#last = ended;
    this.#underWay.add(ended);
    void ended.finally(() => this.#underWay.delete(ended));
  }

  /**
   * Holds the host awake until all trips that are under way, by hand too, have ended. To be called in the same turn as the
   * observation: the source lets go when nobody has asked by then.
   */
  holdAwake(why: string): void {
    const { stayAwake, signal, log, places } = this.#parts;
    const moving = () => !signal.aborted && places.list().some(({ where }) => where === 'moving');
    if (stayAwake === undefined || (this.#underWay.size === 0 && !moving())) return;
    const holding = async () => {
      using _ = await stayAwake.hold(why, signal);
      await this.ended();
      while (moving()) await this.#change.promise;
    };
    holding().catch((error: unknown) => {
      if (!signal.aborted) log.warn({ err: error }, 'this device could not be held awake for a trip');
    });
  }

  /** Resolves when none of these trips is under way. */
  async ended(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async #run(unit: PresenceUnit, trip: 'dock' | 'undock'): Promise<void> {
    const { places, signal, log, onEnd } = this.#parts;
    const { workspace, deviceId } = unit;
    // while it waited for its turn, the workspace may have gone elsewhere: nobody asks for this trip any more
    if (workspace === undefined || unit.state.acting === undefined) return;
    try {
      if (trip === 'dock' && unit.state.nearness.level !== 'near') {
        throw new DockError('peer-gone', 'the device went away while another workspace was on its way');
      }
      if (trip === 'dock') await places.dock(workspace, deviceId, signal);
      else await places.undock(workspace, signal);
      onEnd();
    } catch (thrown) {
      const error = DockError.from(thrown);
      if (signal.aborted) return;
      log.warn(
        { workspace, trip, kind: error.kind, why: error.message },
        'a trip by a rule did not come about',
      );
      unit.feed({ in: 'trip-failed', byHand: error.kind === 'cancelled' });
      onEnd();
    }
  }
}
