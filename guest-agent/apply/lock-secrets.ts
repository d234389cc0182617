import type { DbusConnection } from '../dbus/dbus-connection.ts';
import { plainDbusValue } from '../dbus/dbus-value.ts';

const name = 'org.freedesktop.secrets';
const service = {
  destination: name,
  path: '/org/freedesktop/secrets',
  interface: 'org.freedesktop.Secret.Service',
};

/**
 * Locks all collections of the session's keyring (Secret Service API 0.2: GNOME Keyring, KWallet, KeePassXC), so that
 * it forgets the keys. Returns what is still open. A session without a keyring has nothing to lock.
 */
export async function lockSecrets(bus: DbusConnection, signal: AbortSignal): Promise<string[]> {
  if ((await bus.ownerOf(name, signal)) === undefined) return [];
  const collections = plainDbusValue(await bus.getProperty(service, 'Collections', signal)) as string[];
  await bus.call({ ...service, member: 'Lock', signature: 'ao', body: [collections] }, signal);
  const problems: string[] = [];
  for (const path of collections) {
    const collection = { destination: name, path, interface: 'org.freedesktop.Secret.Collection' };
    if (plainDbusValue(await bus.getProperty(collection, 'Locked', signal)) === true) continue;
    const label = String(plainDbusValue(await bus.getProperty(collection, 'Label', signal)));
    problems.push(`the keyring "${label}" did not lock`);
  }
  return problems;
}
