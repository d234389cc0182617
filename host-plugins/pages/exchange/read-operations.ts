import { DockError } from '../../../protocol/dock-error.ts';
import { pageBytes } from '../page-list.ts';
import type { SourceFacts } from '../page-source.ts';
import { isBlockName, nameOfBytes, type RamBlock } from '../stream/stream-item.ts';
import { limits } from './limits.ts';
import type { Operation, PageOrigin } from './operation.ts';
import { VarintReader } from './varint.ts';
import { code, special } from './write-operations.ts';

/** What a batch says of itself beside its operations. */
export interface BatchShape {
  readonly literalBytes: number;
  /** Pages whose content is in the batch. */
  readonly contents: number;
}

export interface ReadContext {
  /** Empty until a batch has told them. */
  readonly blocks: readonly RamBlock[];
  readonly sources: readonly SourceFacts[];
  /** Number of the first page that will be new in this batch. */
  readonly recentNext: number;
  readonly recentCapacity: number;
}

export interface BatchPlan {
  readonly operations: readonly Operation[];
  /** As they are known after this batch. */
  readonly blocks: readonly RamBlock[];
  /** Number of the first page that will be new in the next batch. */
  readonly recentNext: number;
}

const maxBlocks = 128;

/** Throws `protocol` for what no honest end sends: after this each operation can be carried out, or its page is missing. */
export function readOperations(bytes: Uint8Array, shape: BatchShape, context: ReadContext): BatchPlan {
  const reading = new OperationReading(bytes, context);
  reading.run();
  if (reading.literalBytes !== shape.literalBytes || reading.contents !== shape.contents) {
    throw wrong('holds more or less than it needs');
  }
  return { operations: reading.operations, blocks: reading.blocks, recentNext: reading.recentNext };
}

class OperationReading {
  readonly operations: Operation[] = [];
  blocks: readonly RamBlock[];
  recentNext: number;
  literalBytes = 0;
  contents = 0;
  #pages = 0;
  #zeroPages = 0;
  #block = -1;
  #page = 0;
  #named = false;
  readonly #reader: VarintReader;
  readonly #context: ReadContext;
  readonly #nextIndex = new Map<number, number>();

  constructor(bytes: Uint8Array, context: ReadContext) {
    this.#reader = new VarintReader(bytes);
    this.#context = context;
    this.blocks = context.blocks;
    this.recentNext = context.recentNext;
  }

  run(): void {
    while (!this.#reader.done) {
      if (this.operations.length >= 2 * limits.batchEntries) throw wrong('has too many operations');
      const head = this.#reader.take();
      this.#take(head % 8, Math.floor(head / 8));
    }
    if (this.#named) throw wrong('names a block and has no page of it');
  }

  #take(kind: number, count: number): void {
    switch (kind) {
      case code.literal:
        this.literalBytes += count;
        if (count === 0 || this.literalBytes > limits.batchLiteralBytes)
          throw wrong('has a literal of no allowed length');
        this.operations.push({ kind: 'literal', bytes: count });
        return;
      case code.zero:
        this.#zeroPages += count;
        if (this.#zeroPages > limits.batchZeroPages) throw wrong('has too many pages of zeros');
        this.#push(count, { from: 'zero' });
        return;
      case code.new:
      case code.plain:
        this.contents += count;
        this.#countPages(count);
        this.#push(count, { from: kind === code.new ? 'new' : 'plain' });
        if (kind === code.new) this.recentNext += count;
        return;
      case code.source:
        this.#countPages(count);
        this.#push(count, this.#takeSource(count));
        return;
      case code.recent:
        this.#countPages(count);
        this.#push(count, this.#takeRecent(count));
        return;
      case code.special:
        this.#takeSpecial(count);
        return;
      default:
        throw wrong('has an operation of an unknown kind');
    }
  }

  #countPages(count: number): void {
    this.#pages += count;
    if (this.#pages > limits.batchPages) throw wrong('has too many pages');
  }

  #takeSource(count: number): PageOrigin {
    const source = this.#reader.take();
    const index = (this.#nextIndex.get(source) ?? 0) + this.#reader.takeSigned();
    const pages = this.#context.sources[source]?.pages ?? 0;
    if (index < 0 || index + count > pages) throw wrong('names a page that its source does not have');
    this.#nextIndex.set(source, index + count);
    return { from: 'source', source, index };
  }

  #takeRecent(count: number): PageOrigin {
    const number = this.recentNext - this.#reader.take() - count;
    if (number < 0 || number < this.recentNext - this.#context.recentCapacity) {
      throw wrong('names a page that is not held any more');
    }
    return { from: 'recent', number };
  }

  #takeSpecial(which: number): void {
    switch (which) {
      case special.move:
        this.#page += this.#reader.takeSigned();
        if (this.#page < 0) throw wrong('names a page before the first one');
        return;
      case special.at:
      case special.named:
        this.#block = this.#reader.take();
        this.#page = this.#reader.take();
        this.#named = which === special.named;
        return;
      case special.unknown: {
        const block = this.#reader.take();
        const page = this.#reader.take();
        this.#checkPages(block, page, 1);
        this.operations.push({ kind: 'unknown', block, page });
        return;
      }
      case special.blocks:
        this.#takeBlocks();
        return;
      default:
        throw wrong('has an operation of an unknown kind');
    }
  }

  #takeBlocks(): void {
    if (this.blocks.length > 0) throw wrong('lists the blocks of memory again');
    const count = this.#reader.take();
    if (count === 0 || count > maxBlocks) throw wrong('lists no allowed number of blocks');
    const blocks: RamBlock[] = [];
    for (let i = 0; i < count; i++) {
      const name = this.#reader.takeBytes(this.#reader.take());
      const bytes = this.#reader.take() * pageBytes;
      if (!isBlockName(name) || bytes === 0 || !Number.isSafeInteger(bytes))
        throw wrong('lists a block that cannot be');
      blocks.push({ name: nameOfBytes(name), bytes });
    }
    this.blocks = blocks;
    this.operations.push({ kind: 'blocks', blocks });
  }

  #push(count: number, origin: PageOrigin): void {
    this.#checkPages(this.#block, this.#page, count);
    const named = this.#named;
    this.#named = false;
    this.operations.push({ kind: 'pages', ...origin, block: this.#block, page: this.#page, count, named });
    this.#page += count;
  }

  #checkPages(block: number, page: number, count: number): void {
    const known = this.blocks[block];
    if (known === undefined || count === 0 || page + count > known.bytes / pageBytes) {
      throw wrong('names a page that its block does not have');
    }
  }
}

function wrong(what: string): DockError {
  return new DockError('protocol', `a batch of pages ${what}; do both devices run the same version?`);
}
