import type { StageName } from '../../../protocol/progress-event.ts';

/** A new TCP connection that a host of the lab made to the guest after a trip. */
export interface NewConnection {
  readonly from: 'client' | 'client-b';
  readonly to: string;
  /** Until the guest had answered a question on it, ms; undefined where it was not made. */
  readonly tookMs: number | undefined;
  /** Why it was not made. */
  readonly failure: string | undefined;
}

/** How long one thing that the client held with the guest was silent during a trip. */
export interface SilenceSeen {
  /** E.g. `ping ipv4`, or a flow's name. */
  readonly of: string;
  readonly longestMs: number;
  /** The stage of the trip in which it began; undefined where that was before the first or after the last. */
  readonly during: StageName | undefined;
}

/** When a stage of a trip began, ms since 1970. */
export interface StageStart {
  readonly stage: StageName;
  readonly atMs: number;
}

/** The stage that a moment lies in. @param stages in their order; each lasts until the next begins */
export function stageAt(stages: readonly StageStart[], atMs: number): StageName | undefined {
  return stages.findLast((each) => each.atMs <= atMs)?.stage;
}

/** What was seen of the guest's network during a trip and right after it, from outside. */
export interface TripNetwork {
  readonly kind: 'dock' | 'undock';
  /** Between QEMU's stop here and its start there. */
  readonly downtimeMs: number;
  readonly silences: readonly SilenceSeen[];
  readonly newConnections: readonly NewConnection[];
  /** Datagrams of this trip that were not answered. */
  readonly datagramsLost: number;
}

/** The longest silence that a trip may cost, ms: a sender that waits doubles its patience each time (RFC 6298, 5.5). */
export function silenceLimitMs(downtimeMs: number): number {
  return 2 * downtimeMs + 200;
}

export function longestSilence({ silences }: TripNetwork): SilenceSeen {
  const first: SilenceSeen = { of: 'nothing', longestMs: 0, during: undefined };
  return silences.reduce((worst, seen) => (seen.longestMs > worst.longestMs ? seen : worst), first);
}

export interface SilenceSummary {
  readonly trips: number;
  readonly medianMs: number;
  readonly worstMs: number;
  /** Trips whose longest silence was within the limit of their own downtime. */
  readonly withinLimit: number;
}

/** @throws RangeError where there was no trip */
export function summarizeSilences(trips: readonly TripNetwork[]): SilenceSummary {
  const sorted = trips.map((trip) => longestSilence(trip).longestMs).sort((left, right) => left - right);
  const [middle, worst] = [sorted[(sorted.length - 1) >> 1], sorted.at(-1)];
  if (middle === undefined || worst === undefined) throw new RangeError('no trips, no silences');
  const within = trips.filter((trip) => longestSilence(trip).longestMs <= silenceLimitMs(trip.downtimeMs));
  const upper = sorted[sorted.length >> 1] as number;
  return {
    trips: trips.length,
    medianMs: Math.round((middle + upper) / 2),
    worstMs: worst,
    withinLimit: within.length,
  };
}
