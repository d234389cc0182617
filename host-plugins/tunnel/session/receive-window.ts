import { DockError } from '../../../protocol/dock-error.ts';
import { type LinkFrame, maxFramesUnderWay } from './frame.ts';

/** Which numbers have arrived: all below `base`, and some of the next `maxFramesUnderWay`. */
export class ReceiveWindow {
  #base = 0;
  readonly #ring = new Uint8Array(maxFramesUnderWay);
  #beyond = 0;

  /** False for one that was here before. Throws `protocol` for one that the sender may not have sent yet. */
  take(number: number): boolean {
    if (number < this.#base) return false;
    if (number >= this.#base + maxFramesUnderWay) {
      throw new DockError('protocol', `frame ${number} came while ${this.#base} is missing`);
    }
    const at = number % maxFramesUnderWay;
    if (this.#ring[at] === 1) return false;
    this.#ring[at] = 1;
    this.#beyond++;
    while (this.#ring[this.#base % maxFramesUnderWay] === 1) {
      this.#ring[this.#base % maxFramesUnderWay] = 0;
      this.#base++;
      this.#beyond--;
    }
    return true;
  }

  have(): LinkFrame & { kind: 'have' } {
    let missing = this.#beyond;
    const bits: number[] = [];
    for (let offset = 0; missing > 0; offset++) {
      if (offset % 8 === 0) bits.push(0);
      if (this.#ring[(this.#base + offset) % maxFramesUnderWay] !== 1) continue;
      const at = offset >> 3;
      bits[at] = (bits[at] ?? 0) | (1 << (offset & 7));
      missing--;
    }
    return { kind: 'have', base: this.#base, bits: Uint8Array.from(bits) };
  }
}
