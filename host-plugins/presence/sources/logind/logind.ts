import type { DbusConnection } from '../../../system/dbus/dbus-connection.ts';
import { dbusErrorName, plainDbusValue } from '../../../system/dbus/dbus-value.ts';

/** org.freedesktop.login1(5). */
export const logindName = 'org.freedesktop.login1';
export const managerFace = `${logindName}.Manager`;
export const propertiesFace = 'org.freedesktop.DBus.Properties';

const managerPath = '/org/freedesktop/login1';
/** The one with the screen; others are for multi-seat computers. */
const seatPath = '/org/freedesktop/login1/seat/seat0';
const answerMs = 10_000;

export interface SessionState {
  readonly locked: boolean;
  readonly idle: boolean;
}

/** Starts logind where D-Bus can; throws `missing-dependency` where it is not to be had. */
export async function readDelayMaxMs(bus: DbusConnection, signal: AbortSignal): Promise<number> {
  return Number(await readManager(bus, 'InhibitDelayMaxUSec', signal)) / 1000;
}

/** Open where it cannot be read. */
export async function readLidClosed(bus: DbusConnection, signal: AbortSignal): Promise<boolean> {
  try {
    return (await readManager(bus, 'LidClosed', signal)) === true;
  } catch (error) {
    if (dbusErrorName(error) === undefined) throw error;
    return false;
  }
}

/** What is on the screen; undefined where nobody has a session there, or the computer has no seat. */
export async function readSession(
  bus: DbusConnection,
  signal: AbortSignal,
): Promise<SessionState | undefined> {
  try {
    const seat = await readAll(bus, seatPath, 'Seat', signal);
    const [, path] = (seat['ActiveSession'] ?? []) as [string?, string?];
    if (path === undefined || path === '/') return undefined;
    const session = await readAll(bus, path, 'Session', signal);
    // The login screen, or a screen locker with a session of its own: nobody works here.
    const nobody = ['greeter', 'lock-screen'].includes(String(session['Class']));
    return { locked: nobody || session['LockedHint'] === true, idle: session['IdleHint'] === true };
  } catch (error) {
    signal.throwIfAborted();
    // It ended between the two questions, or was never there.
    if (dbusErrorName(error) !== undefined) return undefined;
    throw error;
  }
}

async function readManager(bus: DbusConnection, name: string, signal: AbortSignal): Promise<unknown> {
  const target = { destination: logindName, path: managerPath, interface: managerFace };
  return plainDbusValue(await bus.getProperty(target, name, signal, answerMs));
}

async function readAll(
  bus: DbusConnection,
  path: string,
  face: 'Seat' | 'Session',
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const [all] = await bus.call(
    {
      destination: logindName,
      path,
      interface: propertiesFace,
      member: 'GetAll',
      signature: 's',
      body: [`${logindName}.${face}`],
      timeoutMs: answerMs,
    },
    signal,
  );
  return plainDbusValue(all) as Record<string, unknown>;
}
