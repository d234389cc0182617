import type { DeviceStatus } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { ControlCalls } from '../daemon/control-calls.ts';
import { type DbusInterface, implement } from '../system/dbus/dbus-interface.ts';
import type { Guard } from './guard.ts';
import { deviceShape } from './host-shapes.ts';
import { trusted } from './wish.ts';

/** A trusted device. @param read as it is known now */
export function deviceObject(read: () => DeviceStatus, calls: ControlCalls, guard: Guard): DbusInterface {
  const asked = () => ({ action: 'manage', details: { device: read().name } }) as const;
  return implement(
    deviceShape,
    {
      SetTrust: guard(asked, async ([argument]) => {
        const { trust } = trusted(argument);
        if (trust === undefined) throw new DockError('usage', 'say owned, known or kiosk');
        await calls.run('devices.trust', { name: read().id, trust });
        return [];
      }),
      Forget: guard(asked, async () => {
        await calls.run('devices.forget', { name: read().id });
        return [];
      }),
    },
    {
      Name: () => read().name,
      Class: () => read().deviceClass ?? '',
      Fingerprint: () => read().fingerprint,
      Address: () => read().address ?? '',
      Trust: () => read().trust ?? '',
      Reachable: () => read().reachable,
      Simulated: () => read().simulated ?? false,
    },
  );
}
