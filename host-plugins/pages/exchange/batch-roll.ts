import type { PageAddress, RamBlock, StreamSink } from '../stream/stream-item.ts';
import { limits } from './limits.ts';
import { OutgoingBatch } from './outgoing-batch.ts';

/** Puts a stream into batches, one after the other; each is handed on when it is full, or at `close`. */
export class BatchRoll implements StreamSink {
  readonly #handOn: (batch: OutgoingBatch) => void;
  readonly #free: OutgoingBatch[] = [];
  #made = 0;
  #open: OutgoingBatch | undefined;

  constructor(handOn: (batch: OutgoingBatch) => void) {
    this.#handOn = handOn;
  }

  /** Whether two batches are at hand: what a slice of the stream takes, all but always. */
  get hasRoom(): boolean {
    return this.#free.length + (this.#open === undefined ? 0 : 1) + limits.batchesUnderWay - this.#made >= 2;
  }

  get isEmpty(): boolean {
    return this.#open?.isEmpty ?? true;
  }

  close(): void {
    const batch = this.#open;
    if (batch === undefined || batch.isEmpty) return;
    this.#open = undefined;
    this.#handOn(batch);
  }

  /** The batch is used again. */
  give(batch: OutgoingBatch): void {
    batch.clear();
    this.#free.push(batch);
  }

  blocks(list: readonly RamBlock[]): void {
    this.#batch().blocks(list);
  }

  literal(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const batch = this.#batch();
      const length = Math.min(batch.literalRoom, bytes.length - at);
      batch.literal(bytes.subarray(at, at + length));
      at += length;
    }
  }

  zeroPage(at: PageAddress, named: boolean): void {
    this.#batch().zeroPage(at, named);
  }

  dataPage(at: PageAddress, named: boolean, content: Uint8Array): void {
    this.#batch().dataPage(at, named, content);
  }

  unknownPage(at: PageAddress): void {
    this.#batch().unknownPage(at);
  }

  #batch(): OutgoingBatch {
    if (this.#open?.isFull === true) this.close();
    this.#open ??= this.#free.pop() ?? this.#make();
    return this.#open;
  }

  #make(): OutgoingBatch {
    this.#made++;
    return new OutgoingBatch();
  }
}
