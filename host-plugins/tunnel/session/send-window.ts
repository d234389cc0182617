import { DockError } from '../../../protocol/dock-error.ts';
import { type LinkFrame, maxFramesUnderWay, maxNumber, type NumberedFrame } from './frame.ts';
import type { LinkPace } from './link-pace.ts';

/** Payload that is kept until the other end has it, bytes; writers wait when it is full. */
export const maxUnderWayBytes = 8 * 1024 * 1024;
/** Of frames and bytes, the part that is left for what is urgent. */
const urgentShare = 1 / 8;

/** A frame that the other end has not said it has. */
export interface Kept {
  readonly frame: NumberedFrame;
  readonly bytes: number;
  /** The link that it is on; undefined: it waits to be sent again. */
  link: LinkPace | undefined;
  sentAt: number;
  deliveredBefore: number;
  deliveredAtBefore: number;
}

/** The numbered frames that this end has sent, until the other end has them. */
export class SendWindow {
  readonly #kept = new Map<number, Kept>();
  #next = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get frames(): number {
    return this.#kept.size;
  }

  get nextNumber(): number {
    return this.#next;
  }

  hasRoom(urgent: boolean): boolean {
    const share = urgent ? 1 : 1 - urgentShare;
    return this.#bytes < maxUnderWayBytes * share && this.#next - this.#oldest() < maxFramesUnderWay * share;
  }

  keep(kept: Kept): void {
    if (this.#next >= maxNumber) throw new DockError('internal', 'a session has used up its numbers');
    this.#kept.set(this.#next++, kept);
    this.#bytes += kept.bytes;
  }

  /** Those that it frees. Throws `protocol` when it speaks of frames that were never sent. */
  acknowledge({ base, bits }: LinkFrame & { kind: 'have' }): Kept[] {
    const freed: Kept[] = [];
    if (base > this.#next) throw new DockError('protocol', `it has frame ${base - 1}, which was never sent`);
    for (const [number, kept] of this.#kept) {
      if (number >= base) break;
      this.#free(number, kept, freed);
    }
    for (let at = 0; at < bits.length; at++) {
      for (let byte = bits[at] ?? 0, bit = 0; byte !== 0; byte >>= 1, bit++) {
        if ((byte & 1) === 0) continue;
        const number = base + at * 8 + bit;
        if (number >= this.#next)
          throw new DockError('protocol', `it has frame ${number}, which was never sent`);
        const kept = this.#kept.get(number);
        if (kept !== undefined) this.#free(number, kept, freed);
      }
    }
    return freed;
  }

  /** What was on a link that is gone, oldest first; from now on it waits. */
  takeFrom(link: LinkPace): Kept[] {
    const taken: Kept[] = [];
    for (const kept of this.#kept.values()) {
      if (kept.link !== link) continue;
      kept.link = undefined;
      taken.push(kept);
    }
    return taken;
  }

  has(kept: Kept): boolean {
    return this.#kept.get(kept.frame.number) === kept;
  }

  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  #free(number: number, kept: Kept, freed: Kept[]): void {
    this.#kept.delete(number);
    this.#bytes -= kept.bytes;
    freed.push(kept);
  }

  #oldest(): number {
    for (const number of this.#kept.keys()) return number;
    return this.#next;
  }
}
