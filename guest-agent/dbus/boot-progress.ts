import type { DbusConnection } from './dbus-connection.ts';
import { plainDbusValue } from './dbus-value.ts';

const destination = 'org.freedesktop.systemd1';
const manager = {
  destination,
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
};

/**
 * Runs `settled` once, when systemd has finished starting the guest (`running`, or `degraded`: some unit failed).
 * Where systemd does not answer the guest counts as settled: there is nothing more to wait for.
 */
export async function whenBootFinished(
  bus: DbusConnection,
  settled: () => void,
  signal: AbortSignal,
): Promise<void> {
  let finished = (): void => {};
  const done = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const stop = bus.listen(
    { sender: destination, interface: manager.interface, member: 'StartupFinished' },
    finished,
  );
  signal.addEventListener('abort', finished, { once: true });
  try {
    // systemd sends its signals only while somebody has asked for them.
    await bus.call({ ...manager, member: 'Subscribe' }, signal);
    const state = plainDbusValue(await bus.getProperty(manager, 'SystemState', signal));
    if (state === 'initializing' || state === 'starting') await done;
    await bus.call({ ...manager, member: 'Unsubscribe' }, signal);
  } catch {
    // Not systemd, or it is gone.
  } finally {
    stop();
    signal.removeEventListener('abort', finished);
  }
  if (!signal.aborted) settled();
}
