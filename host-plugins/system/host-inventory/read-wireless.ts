import { access } from 'node:fs/promises';
import type { NetworkInterface } from '../network/read-interfaces.ts';

/** The names of those that are Wi-Fi: cfg80211 gives them a `phy80211` folder. */
export async function readWireless(
  interfaces: readonly NetworkInterface[],
  sysfs = '/sys',
): Promise<Set<string>> {
  const checked = interfaces.map(async ({ name }) => {
    const present = await access(`${sysfs}/class/net/${name}/phy80211`).then(
      () => true,
      () => false,
    );
    return present ? [name] : [];
  });
  return new Set((await Promise.all(checked)).flat());
}
