import { hashBytes, pageBytes } from '../page-list.ts';
import type { PageAddress, RamBlock, StreamSink } from '../stream/stream-item.ts';
import { limits } from './limits.ts';

interface Pages {
  readonly block: number;
  readonly page: number;
  readonly named: boolean;
  count: number;
}

/** A run of the stream as QEMU wrote it. `slot`: where the content of the first page lies in the batch. */
export type Entry =
  | { readonly kind: 'literal'; bytes: number }
  | { readonly kind: 'blocks'; readonly blocks: readonly RamBlock[] }
  | { readonly kind: 'unknown'; readonly block: number; readonly page: number }
  | (Pages & { readonly kind: 'zero' })
  | (Pages & { readonly kind: 'data'; readonly slot: number });

/**
 * A piece of the stream on its way: kept until the other end has acknowledged it. Its memory is taken once and used
 * again for later pieces; workers read the pages and write the hashes where they lie.
 */
export class OutgoingBatch implements StreamSink {
  readonly data = new SharedArrayBuffer(limits.batchPages * pageBytes);
  readonly hashes = new SharedArrayBuffer(limits.batchPages * hashBytes);
  readonly hashWords = new Uint32Array(this.hashes);
  readonly hashBytes = new Uint8Array(this.hashes);
  readonly #pages = new Uint8Array(this.data);
  /** Whether the page in this slot is one that the receiver holds for later batches; set when it is described. */
  readonly isNew = new Uint8Array(limits.batchPages);
  readonly entries: Entry[] = [];
  /** Pages with content. */
  pages = 0;
  /** How many bytes of the stream it is. */
  streamBytes = 0;
  #zeroPages = 0;
  #literals = Buffer.alloc(4096);
  #literalLength = 0;

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** Whether one more item of the stream may be too much for it. */
  get isFull(): boolean {
    return (
      this.pages === limits.batchPages ||
      this.entries.length >= limits.batchEntries - 2 ||
      this.#zeroPages === limits.batchZeroPages ||
      this.#literalLength >= limits.batchLiteralBytes
    );
  }

  /** Bytes that a literal may have now. */
  get literalRoom(): number {
    return limits.batchLiteralBytes - this.#literalLength;
  }

  get literals(): Uint8Array {
    return this.#literals.subarray(0, this.#literalLength);
  }

  clear(): void {
    this.entries.length = 0;
    this.pages = 0;
    this.streamBytes = 0;
    this.#zeroPages = 0;
    this.#literalLength = 0;
  }

  blocks(list: readonly RamBlock[]): void {
    this.entries.push({ kind: 'blocks', blocks: list });
  }

  literal(bytes: Uint8Array): void {
    const length = this.#literalLength + bytes.length;
    if (length > this.#literals.length) {
      const larger = Buffer.alloc(Math.min(limits.batchLiteralBytes, 2 * length));
      larger.set(this.literals);
      this.#literals = larger;
    }
    this.#literals.set(bytes, this.#literalLength);
    this.#literalLength = length;
    this.streamBytes += bytes.length;
    const last = this.entries.at(-1);
    if (last?.kind === 'literal') last.bytes += bytes.length;
    else this.entries.push({ kind: 'literal', bytes: bytes.length });
  }

  zeroPage({ block, page }: PageAddress, named: boolean): void {
    this.#zeroPages++;
    this.streamBytes += 9;
    if (!this.#goesOn('zero', block, page, named))
      this.entries.push({ kind: 'zero', block, page, named, count: 1 });
  }

  dataPage({ block, page }: PageAddress, named: boolean, content: Uint8Array): void {
    this.#pages.set(content, this.pages * pageBytes);
    this.streamBytes += 8 + pageBytes;
    const slot = this.pages++;
    if (!this.#goesOn('data', block, page, named))
      this.entries.push({ kind: 'data', block, page, named, slot, count: 1 });
  }

  unknownPage({ block, page }: PageAddress): void {
    this.entries.push({ kind: 'unknown', block, page });
  }

  /** Whether this page is the next one of the last run; then it is counted there. */
  #goesOn(kind: 'zero' | 'data', block: number, page: number, named: boolean): boolean {
    const last = this.entries.at(-1);
    if (named || last?.kind !== kind || last.block !== block || last.page + last.count !== page) return false;
    last.count++;
    return true;
  }
}
