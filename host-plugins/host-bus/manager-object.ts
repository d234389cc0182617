import type { DeviceStatus } from '../../protocol/control-methods.ts';
import type { ControlCalls } from '../daemon/control-calls.ts';
import { formatDeviceAddress } from '../pairing/device-address.ts';
import { type DbusInterface, implement } from '../system/dbus/dbus-interface.ts';
import type { Callers } from './callers.ts';
import type { Guard } from './guard.ts';
import { managerShape } from './host-shapes.ts';
import { devicePath } from './object-path.ts';
import type { PairingOffers } from './pairing-offers.ts';
import { named, trusted } from './wish.ts';

export interface ManagerParts {
  readonly self: DeviceStatus;
  readonly version: string;
  readonly calls: ControlCalls;
  readonly callers: Callers;
  readonly offers: PairingOffers;
  readonly guard: Guard;
}

/** This device. */
export function managerObject({ self, version, calls, callers, offers, guard }: ManagerParts): DbusInterface {
  return implement(
    managerShape,
    {
      OfferPairing: guard(
        () => ({ action: 'pair', details: {} }),
        async ([name, trust], caller) => {
          const wish = { ...named(name), ...trusted(trust) };
          const { code, expiresInMs, addresses, port } = await offers.offer(caller, wish);
          const reached = addresses.map((host) => formatDeviceAddress({ host, port }));
          return [code, Math.round(expiresInMs), reached];
        },
      ),
      CancelPairing: (_args, caller) => {
        offers.cancel(caller);
        return [];
      },
      JoinPairing: guard(
        ([name]) => ({ action: 'pair', details: { device: String(name) } }),
        async ([name, address, code, trust], caller) => {
          using present = callers.watch(caller);
          const wish = {
            name: String(name),
            address: String(address),
            code: String(code),
            ...trusted(trust),
          };
          const { device } = await calls.run('pair.join', wish, { signal: present.signal });
          return [devicePath(device.name)];
        },
      ),
    },
    {
      Version: () => version,
      DeviceName: () => self.name,
      DeviceClass: () => self.deviceClass ?? '',
      Fingerprint: () => self.fingerprint,
      Simulated: () => self.simulated ?? false,
    },
  );
}
