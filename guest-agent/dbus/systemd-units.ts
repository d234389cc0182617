import { type DbusConnection, dbusErrorName } from './dbus-connection.ts';
import { plainDbusValue } from './dbus-value.ts';

const destination = 'org.freedesktop.systemd1';
const manager = {
  destination,
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
};

/** Whether a unit is active; false for one that systemd does not know. */
export async function isUnitActive(bus: DbusConnection, unit: string, signal: AbortSignal): Promise<boolean> {
  try {
    const [path] = await bus.call({ ...manager, member: 'GetUnit', signature: 's', body: [unit] }, signal);
    const target = { destination, path: String(path), interface: 'org.freedesktop.systemd1.Unit' };
    return plainDbusValue(await bus.getProperty(target, 'ActiveState', signal)) === 'active';
  } catch (error) {
    if (dbusErrorName(error) !== undefined) return false;
    throw error;
  }
}

/**
 * Starts or stops a unit and waits for the end of that: `done`, or why not, in systemd's word (`failed`, `timeout`,
 * `dependency`, …; org.freedesktop.systemd1(5), JobRemoved). Throws what systemd refuses.
 */
export async function runUnitJob(
  bus: DbusConnection,
  member: 'StartUnit' | 'StopUnit',
  unit: string,
  signal: AbortSignal,
): Promise<string> {
  const ended = new Map<string, string>();
  const waiting = new Map<string, (result: string) => void>();
  const stop = bus.listen(
    { sender: destination, interface: manager.interface, member: 'JobRemoved' },
    ({ body }) => {
      const [, job, , result] = body as [number, string, string, string];
      ended.set(job, result);
      waiting.get(job)?.(result);
    },
  );
  try {
    // systemd sends its signals only while somebody has asked for them; it forgets us when we leave the bus.
    await bus.call({ ...manager, member: 'Subscribe' }, signal).catch((error: unknown) => {
      if (dbusErrorName(error) !== 'org.freedesktop.systemd1.AlreadySubscribed') throw error;
    });
    const call = { ...manager, member, signature: 'ss', body: [unit, 'replace'] };
    const job = String((await bus.call(call, signal))[0]);
    return (
      ended.get(job) ??
      (await new Promise<string>((resolve, reject) => {
        waiting.set(job, resolve);
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      }))
    );
  } finally {
    stop();
  }
}
