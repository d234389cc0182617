import type { HeldConnections } from '../watch/network-watch.ts';
import { silenceLimitMs, type TripNetwork } from '../watch/trip-network.ts';

/** What the guest's network did not do in a trip, in words; how long it was silent is judged apart (judgeSilence). */
export function judgeTripNetwork({ kind, newConnections }: TripNetwork): string[] {
  return newConnections.flatMap(({ from, to, failure }) =>
    failure === undefined ? [] : [`after the ${kind} no new connection from ${from} to ${to}: ${failure}`],
  );
}

/**
 * Whatever was silent for longer than a trip within its LAN may cost it, in words. For trips with a QEMU that lets the guest stand still
 * at the hand-over only (lab-emulator.ts): the limit is of that standstill, and no other is known.
 */
export function judgeSilence({ kind, downtimeMs, silences }: TripNetwork): string[] {
  const limitMs = silenceLimitMs(downtimeMs);
  return silences.flatMap(({ of, longestMs, during }) =>
    longestMs <= limitMs
      ? []
      : [
          `in the ${kind}, from ${during ?? 'before'} on, ${of} was silent for ${longestMs} ms, which is more than ${Math.round(limitMs)}`,
        ],
  );
}

/** What is wrong with the connections that were held over all trips, in words. */
export function judgeHeld(connections: readonly HeldConnections[]): string[] {
  return connections.flatMap(({ name, open, ended, bytes, mismatches }) => [
    ...(open ? [] : [`the connection "${name}" did not stay open: ${ended}`]),
    ...(mismatches === 0 ? [] : [`on the connection "${name}" ${mismatches} blocks arrived damaged`]),
    ...(bytes > 0 ? [] : [`on the connection "${name}" nothing came back`]),
  ]);
}
