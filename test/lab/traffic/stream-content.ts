import { fillPage, judgePage, type PageFinding, pageBytes } from '../verify/page-content.ts';

/**
 * A stream of bytes without an end whose content is known at both ends: block after block of a page, each made of the
 * stream's salt and its own number, so that a block that is missing, doubled or changed is told from the right one.
 */
export class StreamSource {
  readonly #salt: number;
  readonly #block = new Uint32Array(pageBytes / 4);
  #sentBytes = 0;

  constructor(salt: number) {
    this.#salt = salt;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** The next so many bytes. */
  next(bytes: number): Uint8Array {
    const piece = new Uint8Array(bytes);
    for (let filled = 0; filled < bytes; ) {
      const within = this.#sentBytes % pageBytes;
      if (within === 0) fillPage(this.#block, this.#salt, 0, this.#sentBytes / pageBytes);
      const count = Math.min(pageBytes - within, bytes - filled);
      piece.set(new Uint8Array(this.#block.buffer, within, count), filled);
      filled += count;
      this.#sentBytes += count;
    }
    return piece;
  }
}

export interface StreamCounters {
  receivedBytes: number;
  /** Blocks that were not what the other end sent. */
  mismatches: number;
  firstMismatch: { readonly block: number; readonly finding: PageFinding } | undefined;
}

/** Compares what arrives with what a `StreamSource` of the same salt sends. */
export class StreamCheck {
  readonly counters: StreamCounters = { receivedBytes: 0, mismatches: 0, firstMismatch: undefined };
  readonly #salt: number;
  readonly #block = new Uint32Array(pageBytes / 4);
  readonly #scratch = new Uint32Array(pageBytes / 4);

  constructor(salt: number) {
    this.#salt = salt;
  }

  take(piece: Uint8Array): void {
    for (let taken = 0; taken < piece.length; ) {
      const within = this.counters.receivedBytes % pageBytes;
      const count = Math.min(pageBytes - within, piece.length - taken);
      new Uint8Array(this.#block.buffer, within, count).set(piece.subarray(taken, taken + count));
      taken += count;
      this.counters.receivedBytes += count;
      if (within + count === pageBytes) this.#judge(this.counters.receivedBytes / pageBytes - 1);
    }
  }

  #judge(block: number): void {
    const finding = judgePage(this.#block, this.#scratch, this.#salt, 0, block);
    if (finding === 'intact') return;
    this.counters.mismatches++;
    this.counters.firstMismatch ??= { block, finding };
  }
}
