import { join } from 'node:path';
import type { HostProfile } from '../../../protocol/host-profile.ts';
import { listFolder, readAttribute } from './read-attribute.ts';

/** One entry of /sys/class/power_supply (Documentation/ABI/testing/sysfs-class-power). */
export interface PowerSupply {
  readonly type: string | undefined;
  /** `Device` for the battery of a mouse. */
  readonly scope: string | undefined;
  readonly online: string | undefined;
  readonly status: string | undefined;
  readonly capacity: string | undefined;
}

/** A computer without a system battery is on the mains, whatever it says of its supplies. */
export function judgePower(supplies: readonly PowerSupply[]): HostProfile['power'] {
  const own = supplies.filter((supply) => supply.scope !== 'Device');
  const batteries = own.filter((supply) => supply.type === 'Battery');
  const [battery] = batteries;
  if (battery === undefined) return { source: 'mains' };
  const percent = Number(battery.capacity);
  const charge = Number.isFinite(percent) && percent >= 0 && percent <= 100 ? { percent } : {};
  const fed = own.some((supply) => supply.type !== 'Battery' && supply.online === '1');
  // Some firmware has no mains entry: then only the battery says whether it is being emptied.
  const discharging = batteries.some((each) => each.status === 'Discharging');
  return { source: fed || !discharging ? 'mains' : 'battery', ...charge };
}

export async function readPower(signal: AbortSignal, sysfs = '/sys'): Promise<HostProfile['power']> {
  const folder = join(sysfs, 'class/power_supply');
  const supplies = (await listFolder(folder)).map(async (name): Promise<PowerSupply> => {
    const read = (attribute: string) => readAttribute(join(folder, name, attribute), signal);
    const [type, scope, online, status, capacity] = await Promise.all([
      read('type'),
      read('scope'),
      read('online'),
      read('status'),
      read('capacity'),
    ]);
    return { type, scope, online, status, capacity };
  });
  return judgePower(await Promise.all(supplies));
}
