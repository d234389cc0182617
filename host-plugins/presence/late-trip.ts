import { DockError } from '../../protocol/dock-error.ts';

/** For what this device is about to leave. */
export type Leaving = 'sleep' | 'shutdown';

/**
 * What becomes of a trip that is not over when this device will not wait much longer: the reason with which it is ended, up to
 * its hand-over; or what is said where it goes on. Before a sleep nothing is lost by staying, and a transfer that is under way
 * would hang until somebody wakes the device. Before a shutdown a machine loses its power by staying, so that its leaving is
 * tried to the last: the end of wdockd, which comes before that of the network, undoes it.
 * @param leaves the machine runs here, and is on its way to another device
 */
export function lateTrip(
  why: Leaving,
  workspace: string,
  leaves: boolean,
): { readonly end: DockError } | { readonly goesOn: string } {
  if (leaves && why === 'shutdown') {
    return {
      goesOn: `"${workspace}" has not left yet, and this computer shuts down; what has not left by then loses its power`,
    };
  }
  const stays = leaves
    ? 'stays here, the computer sleeps with it'
    : `stays where it is, and waits for its disk until this computer ${why === 'sleep' ? 'wakes' : 'is on again'}`;
  return { end: new DockError('timeout', `not in time: "${workspace}" ${stays}`) };
}
