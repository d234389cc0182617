/** Bytes in a block: its number and its stream's salt, and then what belongs to both. */
export const blockBytes = 1024;
const headerBytes = 8;
const contentBytes = blockBytes - headerBytes;

/**
 * What blocks are cut from. Made once, for an emulated processor can copy and compare at the rate of a connection, but
 * not compute as much.
 */
const table = makeTable(64 * 1024);

function makeTable(bytes: number): Buffer {
  const words = new Uint32Array(bytes / 4);
  let state = 0x9e3779b9;
  for (let word = 0; word < words.length; word++) {
    // xorshift32 (Marsaglia 2003)
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[word] = state;
  }
  return Buffer.from(words.buffer);
}

/** Steps through the table by a prime, so that neighbouring blocks and streams have other content at each place. */
function contentOf(salt: number, block: number): Buffer {
  const start = (block * 1031 + salt * 7919) % (table.length - contentBytes);
  return table.subarray(start, start + contentBytes);
}

/** Writes what a stream has in its block of this number. */
function fillBlock(into: Buffer, salt: number, block: number): void {
  into.writeUInt32BE(block);
  into.writeUInt32BE(salt, 4);
  contentOf(salt, block).copy(into, headerBytes);
}

/** `other`: a block as it should be, but of another place or another stream. */
export type BlockFinding = 'intact' | 'other' | 'corrupt';

function judgeBlock(found: Buffer, salt: number, block: number): BlockFinding {
  const [number, sender] = [found.readUInt32BE(), found.readUInt32BE(4)];
  if (contentOf(sender, number).compare(found, headerBytes) !== 0) return 'corrupt';
  return number === block && sender === salt ? 'intact' : 'other';
}

/**
 * A stream of bytes without an end whose content is known at both ends: block after block, each made of the stream's
 * salt and its own number, so that a block that is missing, doubled or changed is told from the right one.
 */
export class StreamSource {
  readonly #salt: number;
  readonly #block = Buffer.alloc(blockBytes);
  #sentBytes = 0;

  constructor(salt: number) {
    this.#salt = salt;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Fills a piece with the next bytes. */
  fill(piece: Buffer): void {
    for (let filled = 0; filled < piece.length; ) {
      const within = this.#sentBytes % blockBytes;
      if (within === 0) fillBlock(this.#block, this.#salt, this.#sentBytes / blockBytes);
      const count = this.#block.copy(piece, filled, within);
      filled += count;
      this.#sentBytes += count;
    }
  }
}

export interface StreamCounters {
  receivedBytes: number;
  /** Blocks that were not what the other end sent. */
  mismatches: number;
  firstMismatch: { readonly block: number; readonly finding: BlockFinding } | undefined;
}

/** Compares what arrives with what a `StreamSource` of the same salt sends. */
export class StreamCheck {
  readonly counters: StreamCounters = { receivedBytes: 0, mismatches: 0, firstMismatch: undefined };
  readonly #salt: number;
  readonly #block = Buffer.alloc(blockBytes);

  constructor(salt: number) {
    this.#salt = salt;
  }

  take(piece: Buffer): void {
    for (let taken = 0; taken < piece.length; ) {
      const within = this.counters.receivedBytes % blockBytes;
      const count = piece.copy(this.#block, within, taken);
      taken += count;
      this.counters.receivedBytes += count;
      if (within + count === blockBytes) this.#judge(this.counters.receivedBytes / blockBytes - 1);
    }
  }

  #judge(block: number): void {
    const finding = judgeBlock(this.#block, this.#salt, block);
    if (finding === 'intact') return;
    this.counters.mismatches++;
    this.counters.firstMismatch ??= { block, finding };
  }
}
