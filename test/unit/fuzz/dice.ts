import { createHash } from 'node:crypto';

/** Random numbers that are the same each time for the same seed and case: a case is told by its number. xorshift128. */
export class Dice {
  readonly #state: Uint32Array;

  constructor(seed: string, caseNumber: number) {
    const sum = createHash('sha256').update(`${seed}/${caseNumber}`).digest();
    this.#state = Uint32Array.from([0, 4, 8, 12], (at) => sum.readUInt32LE(at) | 1);
  }

  /** 0 to `below` - 1. */
  below(below: number): number {
    const [x = 0, y = 0, z = 0, w = 0] = this.#state;
    const t = x ^ (x << 11);
    const next = (w ^ (w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    this.#state.set([y, z, w, next]);
    return next % below;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  times<T>(count: number, make: (at: number) => T): T[] {
    return Array.from({ length: count }, (_, at) => make(at));
  }
}
