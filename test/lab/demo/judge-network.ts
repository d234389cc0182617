import type { HeldConnections } from '../watch/network-watch.ts';
import type { TripNetwork } from '../watch/trip-network.ts';

/** What the guest's network did not do in a trip, in words. How long it was silent is shown, and fails nothing. */
export function judgeTripNetwork({ kind, newConnections }: TripNetwork): string[] {
  return newConnections.flatMap(({ from, to, failure }) =>
    failure === undefined ? [] : [`after the ${kind} no new connection from ${from} to ${to}: ${failure}`],
  );
}

/** What is wrong with the connections that were held over all trips, in words. */
export function judgeHeld(connections: readonly HeldConnections[]): string[] {
  return connections.flatMap(({ name, open, ended, clientBytes, guestBytes, mismatches }) => [
    ...(open ? [] : [`the connection "${name}" did not stay open: ${ended}`]),
    ...(mismatches === 0 ? [] : [`on the connection "${name}" ${mismatches} blocks arrived damaged`]),
    ...(clientBytes > 0 && guestBytes > 0 ? [] : [`on the connection "${name}" nothing arrived`]),
  ]);
}
