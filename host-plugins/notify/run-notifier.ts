import { DockError } from '../../protocol/dock-error.ts';
import { DbusConnection } from '../system/dbus/dbus-connection.ts';
import { NotificationServer } from './notification-server.ts';
import { showTrip, type TripProperties } from './show-trip.ts';
import { TripWatch } from './trip-watch.ts';

/** One trip on the screen. */
interface OnScreen {
  /** Of the notification; 0 before there is one. */
  id: number;
  /** What was asked for last, as text that can be compared. */
  wanted: string;
  trip: TripProperties;
  /** Its user has put it away: only the end is shown. */
  dismissed: boolean;
  /** One call at a time: what comes meanwhile replaces what waits. */
  busy: boolean;
}

/**
 * Shows each trip of this device as one notification, with its progress and a button to cancel it, until the signal aborts.
 * @param note gets a line for what does not work
 */
export async function runNotifier(
  buses: { readonly system: string; readonly session: string },
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await using system = new DbusConnection(buses.system, note);
  await using session = new DbusConnection(buses.session, note);
  const server = new NotificationServer(session);
  const trips = new Map<string, OnScreen>();
  let said = '';
  const complain = (thrown: unknown): void => {
    const { message } = DockError.from(thrown);
    if (signal.aborted || message === said) return;
    said = message;
    note(message);
  };

  const update = async (path: string, on: OnScreen): Promise<void> => {
    if (on.busy) return;
    on.busy = true;
    try {
      for (;;) {
        const shown = showTrip(on.trip);
        const wanted = JSON.stringify(shown);
        const running = on.trip.State === 'running';
        if (wanted === on.wanted || (running && on.dismissed)) break;
        on.wanted = wanted;
        on.id = await server.show(shown, on.dismissed ? 0 : on.id, signal);
      }
    } catch (error) {
      complain(error);
    }
    on.busy = false;
    if (on.trip.State !== 'running') trips.delete(path);
  };

  const watch = new TripWatch(system, (path, trip) => {
    const on = trips.get(path) ?? { id: 0, wanted: '', trip, dismissed: false, busy: false };
    trips.set(path, on);
    on.trip = trip;
    void update(path, on);
  });
  const find = (id: number) => [...trips].find(([, on]) => on.id === id);
  // A signal is heard as it arrives, and the answer before it, with the number, a moment later.
  server.onDismissed((id) => {
    setImmediate(() => {
      const on = find(id)?.[1];
      if (on !== undefined) on.dismissed = true;
    });
  });
  server.onCancel((id) => {
    setImmediate(() => {
      const path = find(id)?.[0];
      if (path !== undefined) watch.cancel(path, signal).catch(complain);
    });
  });
  watch.start(signal);
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  if (signal.aborted) resolve();
  await promise;
}
