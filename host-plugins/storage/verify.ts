import type { Shortfall } from '../../protocol/outcome.ts';

/** The guest's state says nothing of its disk: what is known of it is QEMU's, and read in the step `check`. */
export function verifyStorage(): Shortfall[] {
  return [];
}

/** What QEMU says of one block device of the guest (query-block). */
export interface BlockState {
  readonly name: string;
  readonly inserted: boolean;
  /** Absent where QEMU was not told to stop at errors. */
  readonly ioStatus: string | undefined;
}

/** One shortfall for each disk that is not well. `failed` and `nospace` stop the VM until somebody resumes it. */
export function judgeBlocks(blocks: readonly BlockState[]): Shortfall[] {
  if (blocks.length === 0) {
    return [unwell('home disk', 'none', 'the machine has no disk')];
  }
  return blocks.flatMap((block) => {
    if (!block.inserted) return [unwell(block.name, 'not attached', 'QEMU has no image behind this disk')];
    if (block.ioStatus === undefined || block.ioStatus === 'ok') return [];
    return [unwell(block.name, block.ioStatus, 'a read or write did not reach the home device')];
  });
}

function unwell(name: string, actual: string, reason: string): Shortfall {
  return { resource: 'storage', requested: `${name} reached`, actual, reason };
}
