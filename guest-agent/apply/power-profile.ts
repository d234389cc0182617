import type { PowerProfile } from '../../protocol/allocation.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { DbusConnection } from '../dbus/dbus-connection.ts';
import { dbusErrorName } from '../dbus/dbus-failure.ts';
import { makeVariant, plainDbusValue } from '../dbus/dbus-value.ts';

/** Its name since 0.20, and the older one that Debian 12's version has. */
const services = [
  ['org.freedesktop.UPower.PowerProfiles', '/org/freedesktop/UPower/PowerProfiles'],
  ['net.hadess.PowerProfiles', '/net/hadess/PowerProfiles'],
] as const;

/** Sets the profile of power-profiles-daemon; returns what could not be done. */
export async function applyPowerProfile(
  bus: Pick<DbusConnection, 'call' | 'getProperty'>,
  profile: PowerProfile,
  signal: AbortSignal,
): Promise<string[]> {
  for (const [name, path] of services) {
    const target = { destination: name, path, interface: name };
    try {
      const offered = plainDbusValue(await bus.getProperty(target, 'Profiles', signal)) as {
        Profile: string;
      }[];
      const names = offered.map((one) => one.Profile);
      if (!names.includes(profile))
        return [`the guest has no power profile ${profile}, only ${names.join(', ')}`];
      await bus.call(
        {
          destination: name,
          path,
          interface: 'org.freedesktop.DBus.Properties',
          member: 'Set',
          signature: 'ssv',
          body: [name, 'ActiveProfile', makeVariant('s', profile)],
        },
        signal,
      );
      return [];
    } catch (error) {
      if (signal.aborted) throw error;
      const refusal = whyRefused(DockError.from(error));
      if (refusal !== undefined) return [refusal];
    }
  }
  return ['the guest has no power-profiles-daemon'];
}

/** In words; undefined where the service is not there. power-profiles-daemon asks polkit about everybody, root too. */
function whyRefused(failure: DockError): string | undefined {
  const { kind, message } = failure;
  if (message.includes('org.freedesktop.PolicyKit1'))
    return 'the guest has no polkit, without which power-profiles-daemon lets nobody change the profile; install polkitd in the guest';
  if (dbusErrorName(failure)?.endsWith('.AccessDenied') === true)
    return 'the polkit of the guest does not let the agent change the power profile';
  return kind === 'missing-dependency' ? undefined : `the power profile was not set: ${message}`;
}
