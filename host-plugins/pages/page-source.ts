/**
 * Pages that both ends of a move have, or know the hashes of, before it begins: a kept memory image, the blocks of a
 * base image. Both ends list the same sources in the same order; a page is named by its place in the source's list.
 */
export interface SourceFacts {
  readonly kind: string;
  /** Names the content: both ends mean the same list of pages when this and `pages` are the same. Hexadecimal. */
  readonly digest: string;
  readonly pages: number;
}

/** At the end that sends: it needs to know what the other one has, not to have it. */
export interface SendingSource extends SourceFacts {
  /** SHA-256 of each page, 32 bytes each, in the source's order. Nobody writes to it while it is in use. */
  readonly hashes: SharedArrayBuffer;
}

/** Memory that threads share, for the pages of a batch and their hashes, each in the slot of the same number. */
export interface PageRoom {
  readonly pages: SharedArrayBuffer;
  readonly hashes: SharedArrayBuffer;
}

/**
 * At the end that receives. What it gives is hashed before it is used: a damaged or stale source costs the bytes of
 * sending a page after all, and never yields a wrong one.
 */
export interface ReceivingSource extends SourceFacts {
  /** The pages of these places, 4096 bytes each; undefined where it cannot give one. */
  read(indices: Uint32Array): Promise<readonly (Uint8Array | undefined)[]>;
  /**
   * For a source that reads in a thread of its own: puts the pages into the room, into these slots, and beside them what
   * they hash to here and now. Resolves with 1 for each that it could give, 0 else.
   */
  readonly readInto?: (indices: Uint32Array, room: PageRoom, slots: Uint16Array) => Promise<Uint8Array>;
}
