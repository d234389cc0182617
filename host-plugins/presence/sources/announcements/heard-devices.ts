import type { DeviceId } from '../../../pairing/fingerprint.ts';

/** `addresses`: all at which it is heard now. `news`: it is heard for the first time, or not any more. */
type Tell = (device: DeviceId, addresses: readonly string[], news: boolean) => void;

/** Which devices are heard where. A device is heard once for each interface and protocol, and twice while it changes its names. */
export class HeardDevices {
  readonly #tell: Tell;
  readonly #services = new Map<string, { device: DeviceId; address: string }>();

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  /** A service is there, or has changed. `device`: undefined for a stranger's. */
  found(key: string, device: DeviceId | undefined, address: string): void {
    const before = this.#services.get(key);
    if (before !== undefined && before.device !== device) this.lost(key);
    if (device === undefined || (before?.device === device && before.address === address)) return;
    const news = this.#addressesOf(device).length === 0;
    this.#services.set(key, { device, address });
    this.#tell(device, this.#addressesOf(device), news);
  }

  lost(key: string): void {
    const before = this.#services.get(key);
    if (before === undefined) return;
    this.#services.delete(key);
    const addresses = this.#addressesOf(before.device);
    this.#tell(before.device, addresses, addresses.length === 0);
  }

  #addressesOf(device: DeviceId): string[] {
    const at = [...this.#services.values()].flatMap((service) =>
      service.device === device ? [service.address] : [],
    );
    return [...new Set(at)];
  }
}
