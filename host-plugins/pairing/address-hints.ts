import { EventEmitter } from 'node:events';
import type { DeviceId } from './fingerprint.ts';

/** Addresses of one device that are tried; a lie costs time at each connection. */
const maxPerDevice = 4;

/**
 * Where devices were heard on the local network, in memory. Nothing is believed of it: whoever answers there has to prove
 * the pinned key, as anywhere else.
 */
export class AddressHints extends EventEmitter<{ changed: [DeviceId] }> {
  readonly #addresses = new Map<DeviceId, readonly string[]>();

  /** As device-address.ts writes them; none: it is not heard any more. */
  set(device: DeviceId, addresses: readonly string[]): void {
    if (addresses.length === 0) this.#addresses.delete(device);
    else this.#addresses.set(device, addresses.slice(0, maxPerDevice));
    this.emit('changed', device);
  }

  of(device: DeviceId): readonly string[] {
    return this.#addresses.get(device) ?? [];
  }
}
