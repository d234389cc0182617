import type { NeighbourQuestion } from './neighbour.ts';

/** A question that comes again within this time, ms, was not answered: Linux asks three times, one second apart. */
const againMs = 2_500;
const maxTargets = 256;

/**
 * Which neighbour questions of the guest this host answers itself: those that are asked a second time, because
 * nobody on the LAN has answered. Any answer does: what the guest then sends is taken off at its tap.
 */
export class PatientAnswers {
  readonly #askedAt = new Map<string, number>();

  shouldAnswer({ target }: NeighbourQuestion, now: number): boolean {
    const before = this.#askedAt.get(target);
    this.#askedAt.delete(target);
    this.#askedAt.set(target, now);
    const [oldest] = this.#askedAt.keys();
    if (this.#askedAt.size > maxTargets && oldest !== undefined) this.#askedAt.delete(oldest);
    return before !== undefined && now - before < againMs;
  }
}
