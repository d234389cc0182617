import { EventEmitter } from 'node:events';
import type { DeviceId } from './fingerprint.ts';

/** Addresses of one device that are tried; a lie costs time at each connection. */
const maxHeard = 4;
/** … of those that it says itself that it has. */
export const maxSaid = 8;

/**
 * Where devices were heard on the local network, and where they said themselves that they can be reached, in memory.
 * Nothing is believed of it: whoever answers there has to prove the pinned key, as anywhere else.
 */
export class AddressHints extends EventEmitter<{ changed: [DeviceId] }> {
  readonly #heard = new Map<DeviceId, readonly string[]>();
  readonly #said = new Map<DeviceId, readonly string[]>();

  /** It is heard at these addresses, as device-address.ts writes them; none: it is not heard any more. */
  set(device: DeviceId, addresses: readonly string[]): void {
    if (addresses.length === 0) this.#heard.delete(device);
    else this.#heard.set(device, addresses.slice(0, maxHeard));
    this.emit('changed', device);
  }

  /**
   * It said this itself, over a connection that it has proved to be its own; says nothing of whether it is near. None:
   * what it said is forgotten.
   */
  say(device: DeviceId, addresses: readonly string[]): void {
    const before = this.#said.get(device) ?? [];
    const said = addresses.slice(0, maxSaid);
    if (before.length === said.length && said.every((address) => before.includes(address))) return;
    if (said.length === 0) this.#said.delete(device);
    else this.#said.set(device, said);
    this.emit('changed', device);
  }

  /** Where it is heard. */
  of(device: DeviceId): readonly string[] {
    return this.#heard.get(device) ?? [];
  }

  /** Where it may be reached, besides the address that it was given: those where it is heard first. */
  toDial(device: DeviceId): readonly string[] {
    return [...new Set([...this.of(device), ...(this.#said.get(device) ?? [])])];
  }
}
