import type { HeldConnections } from '../watch/network-watch.ts';
import {
  longestSilence,
  type SilenceSummary,
  silenceLimitMs,
  type TripNetwork,
} from '../watch/trip-network.ts';

/** What a trip cost the guest's connections, for a person. */
export function renderTripNetwork(trip: TripNetwork): string {
  const { of, longestMs, during } = longestSilence(trip);
  const limitMs = silenceLimitMs(trip.downtimeMs);
  const verdict = longestMs <= limitMs ? 'within' : 'MORE than';
  const width = Math.max(...trip.silences.map((each) => each.of.length));
  return [
    '  silent for at most, as seen from the client:',
    ...trip.silences.map(
      (each) =>
        `    ${each.of.padEnd(width)}  ${String(each.longestMs).padStart(6)} ms, from ${each.during ?? 'before'} on`,
    ),
    `  longest: ${longestMs} ms (${of}, from ${during ?? 'before'} on), ${verdict} twice the ${Math.round(trip.downtimeMs)} ms of standing still and 200 ms`,
    ...trip.newConnections.map(({ from, to, tookMs, failure }) =>
      tookMs === undefined
        ? `  new connection from ${from} to ${to}: FAILED, ${failure}`
        : `  new connection from ${from} to ${to}: works, answered in ${tookMs} ms`,
    ),
    `  datagrams lost: ${trip.datagramsLost}`,
  ].join('\n');
}

/** What became of the connections that were opened before the first trip. */
export function renderHeld(connections: readonly HeldConnections[]): string {
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  return connections
    .map(({ name, open, ended, bytes, mismatches }) => {
      const state = open ? 'open' : `ENDED (${ended})`;
      const carried = `${megabytes(bytes)} to the guest and back`;
      return `  ${name}: ${state}; ${carried}; ${mismatches} mismatches`;
    })
    .join('\n');
}

export function renderSummary({ trips, medianMs, worstMs, withinLimit }: SilenceSummary): string {
  return (
    `longest silence of each of ${trips} trips: median ${medianMs} ms, worst ${worstMs} ms; ` +
    `within twice its downtime and 200 ms: ${withinLimit} of ${trips}`
  );
}
