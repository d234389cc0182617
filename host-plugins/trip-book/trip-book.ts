import type { ProgressEvent } from '../../protocol/progress-event.ts';
import { advanceTrip, beginTrip, type TripState } from './trip-state.ts';

/** What an event did to the trips. */
export interface TripChange {
  readonly before: TripState | undefined;
  readonly after: TripState;
  /** Trips that are not kept any longer: they ended some time ago, or nobody heard how they ended. */
  readonly dropped: readonly TripState[];
}

/** Trips that ended and can still be looked at. */
const keptTrips = 8;

/** The trips of this device: those that run, and the last few that ended. */
export class TripBook {
  readonly #running = new Map<string, TripState>();
  #ended: readonly TripState[] = [];
  #count = 0;

  /** The trip that moves this workspace now. */
  running(workspace: string): TripState | undefined {
    return this.#running.get(workspace);
  }

  /** Those that run, then the last that ended, the oldest first. */
  list(): TripState[] {
    return [...this.#running.values(), ...this.#ended];
  }

  /** Undefined for an event of a trip whose beginning was not heard. */
  hear(workspace: string, event: ProgressEvent): TripChange | undefined {
    if (event.kind === 'trip-started') {
      const lost = this.#running.get(workspace);
      const after = beginTrip(++this.#count, event);
      this.#running.set(workspace, after);
      return { before: undefined, after, dropped: lost === undefined ? [] : [lost] };
    }
    const before = this.#running.get(workspace);
    if (before === undefined) return undefined;
    const after = advanceTrip(before, event);
    if (after.state === 'running') {
      this.#running.set(workspace, after);
      return { before, after, dropped: [] };
    }
    this.#running.delete(workspace);
    const ended = [...this.#ended, after];
    this.#ended = ended.slice(-keptTrips);
    return { before, after, dropped: ended.slice(0, -keptTrips) };
  }
}
