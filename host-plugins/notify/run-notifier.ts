import { DockError } from '../../protocol/dock-error.ts';
import { deviceShape, tripShape } from '../host-bus/host-shapes.ts';
import { DbusConnection } from '../system/dbus/dbus-connection.ts';
import { HostWatch } from './host-watch.ts';
import { NotificationServer } from './notification-server.ts';
import { QuestionNotifications } from './question-notifications.ts';
import { TripNotifications } from './trip-notifications.ts';

/**
 * Shows the trips of this device and the questions of its triggers as notifications, until the signal aborts.
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
  let said = '';
  const complain = (thrown: unknown): void => {
    const { message } = DockError.from(thrown);
    if (signal.aborted || message === said) return;
    said = message;
    note(message);
  };
  const trips = new TripNotifications({ server, complain, signal });
  const questions = new QuestionNotifications({ server, complain, signal });
  const watch: HostWatch = new HostWatch(system, (path, face, found) => {
    if (face === tripShape.name) trips.hear(path, found);
    if (face === deviceShape.name) questions.hear(path, found, watch);
  });
  // A signal is heard as it arrives, and the answer before it, with the number, a moment later.
  server.onDismissed((id) => {
    setImmediate(() => {
      trips.dismissed(id);
      questions.dismissed(id);
    });
  });
  server.onPressed((id, key) => {
    setImmediate(() => {
      trips.pressed(id, watch);
      questions.pressed(id, key, watch);
    });
  });
  watch.start(signal);
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  if (signal.aborted) resolve();
  await promise;
}
