import { randomBytes } from 'node:crypto';
import type { DeviceId } from '../../../pairing/fingerprint.ts';
import type { Identity } from '../../../pairing/identity.ts';
import type { TrustedDevice, TrustStore } from '../../../pairing/trust-store.ts';
import { announcedId, announcementKey, slotAt } from './announced-id.ts';

/** Identifiers are announced in multiples of this, filled up with nobody's: their number tells little about the pairings. */
const fillTo = 4;

/** The paired devices, as announcements know them: what to say for each, and who is meant by what is heard. */
export class Acquaintances {
  readonly #identity: Identity;
  readonly #trust: TrustStore;
  /** The same as long as this runs: what changed within a slot could be told from what is real. */
  readonly #nobody = Array.from({ length: fillTo - 1 }, () => randomBytes(32));
  readonly #keys = new Map<DeviceId, Buffer | undefined>();

  constructor(identity: Identity, trust: TrustStore) {
    this.#identity = identity;
    this.#trust = trust;
  }

  /** What this device says in this slot, one identifier for each paired device, filled up. Empty where there is none. */
  idsToAnnounce(timeMs: number): string[] {
    const keys = this.#trust.list().flatMap((device) => this.#keyOf(device) ?? []);
    const missing = (fillTo - (keys.length % fillTo)) % fillTo;
    const all = [...keys, ...this.#nobody.slice(0, missing)];
    return all.map((key) => announcedId(key, this.#identity.id, slotAt(timeMs)));
  }

  /**
   * Whose identifier is among these; undefined for a stranger's. The slots before and after count as well: the devices'
   * clocks differ, and what was announced in the last slot is still in caches.
   */
  recognise(ids: readonly string[], timeMs: number): DeviceId | undefined {
    if (ids.length === 0) return undefined;
    const heard = new Set(ids);
    const now = slotAt(timeMs);
    const found = this.#trust.list().find((device) => {
      const key = this.#keyOf(device);
      return (
        key !== undefined &&
        [now, now - 1, now + 1].some((slot) => heard.has(announcedId(key, device.id, slot)))
      );
    });
    return found?.id;
  }

  /** Undefined for a device whose key is of another kind: the two recognise each other when they connect, not before. */
  #keyOf(device: TrustedDevice): Buffer | undefined {
    if (!this.#keys.has(device.id)) {
      let key: Buffer | undefined;
      try {
        key = announcementKey(this.#identity, device);
      } catch {
        key = undefined;
      }
      this.#keys.set(device.id, key);
    }
    return this.#keys.get(device.id);
  }
}
