import { pageBytes } from '../page-list.ts';
import { maxItemBytes, StreamGrammar } from './stream-grammar.ts';
import type { StreamSink } from './stream-item.ts';

/**
 * Cuts a stream of QEMU into pages and the rest, in chunks of any size. It throws for nothing: what it does not
 * understand is a literal. Of what was pushed it keeps back an item that is not whole yet, until `flush`.
 */
export class StreamParser {
  readonly #sink: StreamSink;
  readonly #grammar = new StreamGrammar();
  readonly #carry = Buffer.alloc(2 * maxItemBytes);
  #carried = 0;
  /** Of the first item in the carry, bytes that have been handed on as literals already. */
  #told = 0;
  #hasBlocks = false;

  constructor(sink: StreamSink) {
    this.#sink = sink;
  }

  /** Whether it still tells pages apart. */
  get understands(): boolean {
    return this.#grammar.understands;
  }

  /** Whether it keeps something back: a part of a page's record, which QEMU does not leave so, or anything else. */
  get holds(): 'nothing' | 'record' | 'other' {
    if (this.#carried <= this.#told) return 'nothing';
    return this.#grammar.isWithinRecords ? 'record' : 'other';
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    if (this.#carried > 0) {
      const taken = Math.min(bytes.length, this.#carry.length - this.#carried);
      bytes.copy(this.#carry, this.#carried, 0, taken);
      const end = this.#carried + taken;
      const consumed = this.#run(this.#carry, 0, end, this.#carried);
      if (consumed < this.#carried) {
        // Room for two items: so this was all of the chunk.
        this.#carry.copyWithin(0, consumed, end);
        this.#carried = end - consumed;
        return;
      }
      at = consumed - this.#carried;
      this.#carried = 0;
    }
    at = this.#run(bytes, at, bytes.length, bytes.length);
    this.#carried = bytes.copy(this.#carry, 0, at);
  }

  /** Hands on what it keeps back. To be called where QEMU may wait for an answer, and at the stream's end. */
  flush(): void {
    if (this.holds === 'nothing') return;
    this.#sink.literal(this.#carry.subarray(this.#told, this.#carried));
    this.#told = this.#carried;
  }

  /** Item by item from `at`, until one begins at or after `until`, or is not whole. Returns where it stopped. */
  #run(bytes: Buffer, from: number, end: number, until: number): number {
    const grammar = this.#grammar;
    let at = from;
    while (at < until) {
      const length = grammar.step(bytes, at, end);
      if (length === 0) break;
      if (!this.#hasBlocks && grammar.blocks.length > 0) {
        this.#hasBlocks = true;
        this.#sink.blocks(grammar.blocks);
      }
      this.#hand(bytes, at, at + length);
      at += length;
    }
    return at;
  }

  #hand(bytes: Buffer, start: number, end: number): void {
    const { item } = this.#grammar;
    if (this.#told > 0) {
      const told = Math.min(this.#told, end - start);
      this.#told -= told;
      if (start + told < end) this.#sink.literal(bytes.subarray(start + told, end));
      if (item.kind !== 'literal') this.#sink.unknownPage(item);
      return;
    }
    if (item.kind === 'literal') this.#sink.literal(bytes.subarray(start, end));
    else if (item.kind === 'zero') this.#sink.zeroPage(item, item.named);
    else this.#sink.dataPage(item, item.named, bytes.subarray(end - pageBytes, end));
  }
}
