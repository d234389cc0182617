import { createHash } from 'node:crypto';
import { hashBytes, pageBytes } from '../page-list.ts';
import type { RamBlock } from '../stream/stream-item.ts';

const chunkPages = 512;
const unknown = 0;
const zero = 1;
const hashed = 2;

interface Chunk {
  readonly states: Uint8Array;
  /** Undefined while none of its pages has content. */
  hashes: Uint8Array | undefined;
}

/** What is known of one block's pages after a transfer. */
export interface PageTableBlock {
  readonly name: string;
  readonly bytes: number;
  readonly pages: number;
  /** SHA-256 of the page's last version; `zero` for a page of zeros, undefined where none was sent. A view. */
  hash(page: number): Uint8Array | 'zero' | undefined;
}

/**
 * The hash of each page's last version, as it was sent: both ends of a transfer hold the same table after it. Sparse:
 * 33 bytes a page in pieces of 2 MiB of guest memory that have content, 1 byte a page in those of zeros alone.
 */
export class PageTable {
  #blocks: readonly TableBlock[] = [];

  get blocks(): readonly PageTableBlock[] {
    return this.#blocks;
  }

  /** Of the whole table: the same at both ends. 0.1 s a GiB of hashes. */
  digest(): string {
    const sum = createHash('sha256');
    for (const block of this.#blocks) block.feed(sum);
    return sum.digest('hex');
  }

  define(blocks: readonly RamBlock[]): void {
    this.#blocks = blocks.map((block) => new TableBlock(block));
  }

  setHash(block: number, page: number, hashes: Uint8Array, at: number): void {
    this.#blocks[block]?.set(page, hashes, at);
  }

  setZero(block: number, page: number, count: number): void {
    this.#blocks[block]?.mark(page, count, zero);
  }

  forget(block: number, page: number): void {
    this.#blocks[block]?.mark(page, 1, unknown);
  }
}

class TableBlock implements PageTableBlock {
  readonly name: string;
  readonly bytes: number;
  readonly pages: number;
  readonly #chunks = new Map<number, Chunk>();

  constructor({ name, bytes }: RamBlock) {
    this.name = name;
    this.bytes = bytes;
    this.pages = bytes / pageBytes;
  }

  hash(page: number): Uint8Array | 'zero' | undefined {
    const chunk = this.#chunks.get(Math.floor(page / chunkPages));
    const within = page % chunkPages;
    const state = chunk?.states[within] ?? unknown;
    if (state !== hashed) return state === zero ? 'zero' : undefined;
    return chunk?.hashes?.subarray(within * hashBytes, (within + 1) * hashBytes);
  }

  set(page: number, hashes: Uint8Array, at: number): void {
    const chunk = this.#chunk(page);
    const within = page % chunkPages;
    chunk.states[within] = hashed;
    chunk.hashes ??= new Uint8Array(chunkPages * hashBytes);
    for (let i = 0; i < hashBytes; i++) chunk.hashes[within * hashBytes + i] = hashes[at + i] ?? 0;
  }

  mark(page: number, count: number, state: number): void {
    for (let at = page; at < page + count; ) {
      const within = at % chunkPages;
      const length = Math.min(chunkPages - within, page + count - at);
      this.#chunk(at).states.fill(state, within, within + length);
      at += length;
    }
  }

  feed(sum: ReturnType<typeof createHash>): void {
    sum.update(JSON.stringify([this.name, this.bytes]));
    for (const [number, { states, hashes }] of [...this.#chunks].sort(([a], [b]) => a - b)) {
      sum.update(`${number}:`).update(states);
      if (hashes === undefined) continue;
      for (let i = 0; i < chunkPages; i++) {
        if (states[i] === hashed) sum.update(hashes.subarray(i * hashBytes, (i + 1) * hashBytes));
      }
    }
  }

  #chunk(page: number): Chunk {
    const number = Math.floor(page / chunkPages);
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) {
      chunk = { states: new Uint8Array(chunkPages), hashes: undefined };
      this.#chunks.set(number, chunk);
    }
    return chunk;
  }
}
