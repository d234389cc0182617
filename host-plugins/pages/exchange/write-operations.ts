import { pageBytes } from '../page-list.ts';
import { bytesOfName, type RamBlock } from '../stream/stream-item.ts';
import type { Operation, PageRun } from './operation.ts';
import { VarintWriter } from './varint.ts';

/** The low three bits of an operation's first number; the others are its count, or which of the `special` ones it is. */
export const code = { literal: 0, zero: 1, new: 2, source: 3, recent: 4, plain: 5, special: 6 } as const;
/** … with the kind above it. */
export const special = { move: 0, at: 1, named: 2, unknown: 3, blocks: 4 } as const;

/**
 * Operations as bytes, those of a batch by themselves: each number tells what is next and how many there are of it;
 * pages go on where the last ones ended unless it says otherwise.
 */
export class OperationWriter {
  readonly #writer = new VarintWriter();
  #block = -1;
  #page = 0;
  readonly #nextIndex = new Map<number, number>();
  #recentBase: number;

  /** `recentNext`: number of the first page that will be new in this batch. */
  constructor(recentNext: number) {
    this.#recentBase = recentNext;
  }

  put(operation: Operation): void {
    switch (operation.kind) {
      case 'literal':
        this.#head(code.literal, operation.bytes);
        return;
      case 'blocks':
        this.#putBlocks(operation.blocks);
        return;
      case 'unknown':
        this.#head(code.special, special.unknown);
        this.#writer.put(operation.block);
        this.#writer.put(operation.page);
        return;
      case 'pages':
        this.#putPages(operation);
    }
  }

  take(): Buffer {
    return this.#writer.take();
  }

  #putPages(run: PageRun): void {
    if (run.named || run.block !== this.#block) {
      this.#head(code.special, run.named ? special.named : special.at);
      this.#writer.put(run.block);
      this.#writer.put(run.page);
    } else if (run.page !== this.#page) {
      this.#head(code.special, special.move);
      this.#writer.putSigned(run.page - this.#page);
    }
    this.#block = run.block;
    this.#page = run.page + run.count;
    this.#head(code[run.from], run.count);
    if (run.from === 'new') this.#recentBase += run.count;
    else if (run.from === 'recent') this.#writer.put(this.#recentBase - run.number - run.count);
    else if (run.from === 'source') {
      this.#writer.put(run.source);
      this.#writer.putSigned(run.index - (this.#nextIndex.get(run.source) ?? 0));
      this.#nextIndex.set(run.source, run.index + run.count);
    }
  }

  #putBlocks(blocks: readonly RamBlock[]): void {
    this.#head(code.special, special.blocks);
    this.#writer.put(blocks.length);
    for (const { name, bytes } of blocks) {
      const encoded = bytesOfName(name);
      this.#writer.put(encoded.length);
      this.#writer.putBytes(encoded);
      this.#writer.put(bytes / pageBytes);
    }
  }

  #head(kind: number, count: number): void {
    this.#writer.put(count * 8 + kind);
  }
}
