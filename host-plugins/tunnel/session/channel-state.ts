import type { NumberedFrame } from './frame.ts';

/** Credit that every channel has, bytes; a fast one is given more. */
export const firstCreditBytes = 128 * 1024;
/** … up to this: what a channel may have under way on all links together. */
export const maxCreditBytes = 4 * 1024 * 1024;
/** Queued here by a channel before its writer has to wait, and below which it may go on. */
const queueHighBytes = 256 * 1024;
const queueLowBytes = 128 * 1024;

/** How one channel stands, as one end sees it. `over`: this end has sent, or is sending, its last frame. */
export class ChannelState {
  readonly id: number;
  name: string;
  /** Its data goes before what is not urgent. */
  urgent: boolean;
  state: 'asked' | 'open' | 'over' = 'asked';
  /** It was accepted, whatever happened since. */
  answered = false;
  /** This end's last frame has a number; the other end has sent its last. When both are true nothing follows. */
  lastSent = false;
  overThere = false;

  /** To be sent, in order. */
  readonly queue: Uint8Array[] = [];
  queuedBytes = 0;
  #full = false;
  nextPlace = 0;
  sentBytes = 0;
  /** How much this end may send in all. */
  credit = 0;
  end: 'none' | 'wanted' | 'sent' = 'none';

  /** What came before its turn, by its place. */
  readonly early = new Map<number, NumberedFrame>();
  expectedPlace = 0;
  /** With what came early. */
  arrivedBytes = 0;
  receivedBytes = 0;
  consumedBytes = 0;
  /** How much the other end was told that it may send in all. */
  granted: number;
  windowBytes = firstCreditBytes;
  endedThere = false;

  constructor(id: number, name: string, urgent: boolean) {
    this.id = id;
    this.name = name;
    this.urgent = urgent;
    this.granted = firstCreditBytes;
  }

  get sendable(): boolean {
    if (this.state !== 'open') return false;
    if (this.queuedBytes > 0) return this.sentBytes < this.credit;
    return this.end === 'wanted';
  }

  add(chunk: Uint8Array): void {
    this.queue.push(chunk);
    this.queuedBytes += chunk.length;
    if (this.queuedBytes >= queueHighBytes) this.#full = true;
  }

  get full(): boolean {
    return this.#full;
  }

  /** Up to `most` bytes off the queue, as far as the credit goes. */
  take(most: number): Uint8Array[] {
    let left = Math.min(most, this.credit - this.sentBytes, this.queuedBytes);
    const taken: Uint8Array[] = [];
    let whole = 0;
    while (left > 0) {
      const first = this.queue[whole];
      if (first === undefined) break;
      const piece = first.length <= left ? first : first.subarray(0, left);
      taken.push(piece);
      left -= piece.length;
      this.sentBytes += piece.length;
      this.queuedBytes -= piece.length;
      if (piece === first) whole++;
      else this.queue[whole] = first.subarray(piece.length);
    }
    this.queue.splice(0, whole);
    return taken;
  }

  /** True once, when a writer that had to wait may go on. */
  relieved(): boolean {
    if (!this.#full || this.queuedBytes > queueLowBytes) return false;
    this.#full = false;
    return true;
  }

  dropQueue(): void {
    this.queue.length = 0;
    this.queuedBytes = 0;
  }
}
