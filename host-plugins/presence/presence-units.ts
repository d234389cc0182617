import type { TrustStore } from '../pairing/trust-store.ts';
import type { Observation } from './observation.ts';
import { placementBetween } from './place-of.ts';
import type { PresenceClock } from './presence-clock.ts';
import { PresenceUnit, type SourcedRules, type UnitListener } from './presence-unit.ts';
import type { WorkspacePlaces } from './workspace-places.ts';

export interface PresenceUnitsParts {
  readonly selfId: string;
  readonly trust: TrustStore;
  readonly places: WorkspacePlaces;
  readonly clock: PresenceClock;
  readonly listener: UnitListener;
  /** Those of a unit whose policies have not been read yet. */
  readonly firstRules: SourcedRules;
}

/**
 * The units of this device: one for each trusted device, which is there for people to see, and one more for each
 * workspace that could go there or come home from there.
 */
export class PresenceUnits implements Disposable {
  readonly #parts: PresenceUnitsParts;
  readonly #units = new Map<string, PresenceUnit>();

  constructor(parts: PresenceUnitsParts) {
    this.#parts = parts;
  }

  list(): PresenceUnit[] {
    return [...this.#units.values()];
  }

  /** Those of a device, the one that says most first: where a workspace is docked, where something is asked, where one could go. */
  of(deviceId: string): PresenceUnit[] {
    const rank = ({ state, workspace }: PresenceUnit): number => {
      if (state.placement === 'docked') return 0;
      if (state.question !== undefined) return 1;
      return workspace === undefined ? 3 : 2;
    };
    return this.list()
      .filter((unit) => unit.deviceId === deviceId)
      .toSorted((a, b) => rank(a) - rank(b));
  }

  /** Observations of a device are for its units, those of this device for all. */
  tell(observation: Observation): void {
    for (const unit of this.list()) {
      if (!('device' in observation) || observation.device === unit.deviceId)
        unit.feed({ in: 'observed', observation });
    }
  }

  /** Takes notice of where the workspaces are and who is trusted. True when a unit is new. */
  refresh(): boolean {
    const { selfId, trust, places } = this.#parts;
    const wanted = new Set<string>();
    let added = false;
    for (const { id } of trust.list()) {
      const plain = this.#ensure(id, undefined, undefined);
      wanted.add(keyOf(id, undefined));
      added ||= plain.isNew;
      for (const place of places.list()) {
        const placement = placementBetween(place, selfId, id);
        if (placement === undefined) continue;
        wanted.add(keyOf(id, place.name));
        const { unit, isNew } = this.#ensure(id, place.name, plain.unit);
        added ||= isNew;
        unit.feed({ in: 'placed', placement });
      }
    }
    for (const [key, unit] of this.#units) {
      if (wanted.has(key)) continue;
      this.#units.delete(key);
      // What it showed and asked is so no longer; of a device that was forgotten nothing is said any more.
      if (trust.byId(unit.deviceId) !== undefined) unit.feed({ in: 'placed', placement: 'other' });
      unit[Symbol.dispose]();
    }
    return added;
  }

  [Symbol.dispose](): void {
    for (const unit of this.list()) unit[Symbol.dispose]();
    this.#units.clear();
  }

  #ensure(
    deviceId: string,
    workspace: string | undefined,
    like: PresenceUnit | undefined,
  ): { unit: PresenceUnit; isNew: boolean } {
    const key = keyOf(deviceId, workspace);
    const known = this.#units.get(key);
    if (known !== undefined) return { unit: known, isNew: false };
    const { clock, listener, firstRules } = this.#parts;
    const unit = new PresenceUnit({ deviceId, workspace }, { clock, listener, rules: firstRules }, like);
    this.#units.set(key, unit);
    return { unit, isNew: true };
  }
}

const keyOf = (deviceId: string, workspace: string | undefined): string => `${deviceId} ${workspace ?? ''}`;
