import type { DockErrorData } from '../../protocol/dock-error.ts';
import type { TripOutcome } from '../../protocol/outcome.ts';
import type { ProgressEvent, StageName } from '../../protocol/progress-event.ts';
import { tripPercent } from './trip-percent.ts';

/** How a trip stands, put together from its events. */
export interface TripState {
  /** Counts the trips that this wdockd has heard of, from 1. */
  readonly number: number;
  readonly kind: 'dock' | 'undock';
  readonly workspace: string;
  readonly from: string;
  readonly to: string;
  readonly simulated: boolean;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  /** ms since 1970 */
  readonly startedAt: number;
  readonly stage: StageName | undefined;
  /** Of the stage, 0 to 1, where it is known. */
  readonly stageFraction: number | undefined;
  /** Of the whole trip, 0 to 100; never goes back. */
  readonly percent: number;
  /** What was said last, in words. */
  readonly text: string;
  readonly error: Pick<DockErrorData, 'kind' | 'message'> | undefined;
  /** Where the VM runs, as a trip that failed says it. */
  readonly runsOn: string | undefined;
  readonly outcome: TripOutcome | undefined;
}

type Started = Extract<ProgressEvent, { kind: 'trip-started' }>;

export function beginTrip(number: number, event: Started): TripState {
  return {
    number,
    kind: event.trip,
    workspace: event.workspace,
    from: event.from,
    to: event.to,
    simulated: event.simulated,
    state: 'running',
    startedAt: event.at,
    stage: undefined,
    stageFraction: undefined,
    percent: 0,
    text: '',
    error: undefined,
    runsOn: undefined,
    outcome: undefined,
  };
}

/** The trip after an event of its own. */
export function advanceTrip(trip: TripState, event: Exclude<ProgressEvent, Started>): TripState {
  switch (event.kind) {
    case 'stage-started':
      return inStage(trip, event.stage, undefined, '');
    case 'stage-progress':
      return inStage(trip, event.stage, event.fraction, event.text);
    case 'stage-done':
      return inStage(trip, event.stage, 1, trip.text);
    case 'note':
      return { ...trip, text: event.text };
    case 'trip-done':
      return { ...trip, state: 'done', percent: 100, outcome: event.outcome };
    case 'trip-failed': {
      const { kind, message } = event.error;
      const state = kind === 'cancelled' ? 'cancelled' : 'failed';
      return { ...trip, state, error: { kind, message }, runsOn: event.runsOn };
    }
  }
}

function inStage(trip: TripState, stage: StageName, fraction: number | undefined, text: string): TripState {
  const percent = Math.max(trip.percent, tripPercent(stage, fraction));
  return { ...trip, stage, stageFraction: fraction, percent, text };
}
