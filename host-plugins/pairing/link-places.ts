import type { AddressInfo } from 'node:net';
import { readOwnPlaces } from '../presence/sources/announcements/own-places.ts';
import { formatDeviceAddress } from './device-address.ts';

/** An address at which this device can be reached from elsewhere, and by which interface of its own. */
export interface ReachablePlace {
  readonly address: string;
  readonly by: string;
}

/** Where other devices may reach this one now; none where it does not listen. */
export async function readReachablePlaces(listening: AddressInfo | undefined): Promise<ReachablePlace[]> {
  if (listening === undefined) return [];
  const { address, port } = listening;
  const places = await readOwnPlaces(address);
  return places.flatMap(({ interfaceName: by, addresses }) =>
    addresses
      .filter((host) => !/^(?:fe80:|169\.254\.)/i.test(host)) // means nothing on another device
      .map((host) => ({ address: formatDeviceAddress({ host, port }), by })),
  );
}
