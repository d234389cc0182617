import type { PresenceUnit } from './presence-unit.ts';

/**
 * Connections that are kept open because a trigger wants to know how good they are: to a device that announces
 * itself and could be docked to, and to the one at the other end of a dock. No radio is kept awake for others.
 */
export class HeldConnections implements Disposable {
  readonly #hold: (deviceId: string) => Disposable;
  readonly #held = new Map<string, Disposable>();

  constructor(hold: (deviceId: string) => Disposable) {
    this.#hold = hold;
  }

  keep(units: readonly PresenceUnit[]): void {
    const wanted = new Set(units.filter(wantsToKnow).map(({ deviceId }) => deviceId));
    for (const [id, connection] of this.#held) {
      if (wanted.has(id)) continue;
      connection[Symbol.dispose]();
      this.#held.delete(id);
    }
    for (const id of wanted) if (!this.#held.has(id)) this.#held.set(id, this.#hold(id));
  }

  [Symbol.dispose](): void {
    this.keep([]);
  }
}

function wantsToKnow({ state, sourced: { rules } }: PresenceUnit): boolean {
  if (state.placement === 'docked') return rules.undock !== 'never' && rules.undockOn.includes('fading');
  return state.placement === 'home' && rules.dock !== 'never' && state.nearness.heard;
}
