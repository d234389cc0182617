import type { Notification } from './notification.ts';

/** Properties of org.wirelessdock.Host1.Trip, as far as they are shown. */
export interface TripProperties {
  readonly Kind: string;
  readonly WorkspaceName: string;
  readonly To: string;
  readonly Simulated: boolean;
  readonly State: string;
  readonly Stage: string;
  readonly Percent: number;
  readonly Text: string;
  readonly ErrorMessage: string;
  readonly RunsOn: string;
  readonly Shortfalls: readonly (readonly [
    resource: string,
    requested: string,
    actual: string,
    reason: string,
  ])[];
}

/** From here on a trip cannot be cancelled (docs/hand-over.md). */
const beyondReturn: readonly string[] = ['hand-over', 'adapt', 'verify', 'settle'];

/** What a notification about a trip says. Pure: what is on the screen follows from how the trip stands. */
export function showTrip(trip: TripProperties): Notification {
  const what = `${trip.WorkspaceName} to ${trip.To}${trip.Simulated ? ' (simulated)' : ''}`;
  const ended = { percent: undefined, buttons: [], stays: false, category: 'transfer' } as const;
  switch (trip.State) {
    case 'running': {
      const body = [trip.Stage, trip.Text].filter((part) => part !== '').join(': ');
      return {
        summary: `Moving ${what}`,
        body,
        buttons: beyondReturn.includes(trip.Stage) ? [] : [{ key: 'cancel', label: 'Cancel' }],
        percent: trip.Percent,
        stays: true,
        urgency: 'normal',
        category: 'transfer',
      };
    }
    case 'done':
      return { summary: `Moved ${what}`, body: shortfallsIn(trip), ...ended, urgency: 'normal' };
    case 'cancelled':
      return { summary: `Not moved: ${what}`, body: stays('Cancelled', trip), ...ended, urgency: 'normal' };
    default:
      return {
        summary: `Not moved: ${what}`,
        body: stays(trip.ErrorMessage, trip),
        ...ended,
        urgency: 'critical',
      };
  }
}

function stays(why: string, { RunsOn: where }: TripProperties): string {
  return where === '' ? why : `${why}; it runs on ${where}`;
}

function shortfallsIn({ Shortfalls: all }: TripProperties): string {
  return all.map(([resource, , , reason]) => `${resource} is not as asked: ${reason}`).join('\n');
}
