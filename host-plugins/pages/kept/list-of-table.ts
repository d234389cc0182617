import { setImmediate as nextTurn } from 'node:timers/promises';
import { type PageList, PageListBuilder } from '../page-list.ts';

/** What both ends of a transfer know when it is over (exchange/page-table.ts). */
interface Table {
  readonly blocks: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly pages: number;
    hash(page: number): Uint8Array | 'zero' | undefined;
  }[];
}

/** The blocks that are the guest's memory (qemu/command-line.ts); the others are QEMU's own, and small. */
const memoryBlocks = ['base', 'plugged'];
/** Looked at before others get a turn; a plugged block has far more pages than memory. */
const pagesPerTurn = 4_096;

/** The pages of the guest's memory that have content, in the same order on both devices. */
export async function listOfTable({ blocks }: Table): Promise<PageList> {
  const builder = new PageListBuilder();
  for (const block of blocks.filter(({ name }) => memoryBlocks.includes(name))) {
    builder.block(block.name, block.bytes);
    for (let page = 0; page < block.pages; page += 1) {
      const hash = block.hash(page);
      if (hash !== undefined && hash !== 'zero') builder.add(page, hash);
      if (page % pagesPerTurn === 0) await nextTurn();
    }
  }
  return builder.build();
}
