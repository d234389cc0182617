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

/** At the end that receives. */
export interface ReceivingSource extends SourceFacts {
  /**
   * The pages of these places, 4096 bytes each; undefined where it cannot give one. What it gives is hashed before it
   * is used: a damaged or stale source costs the bytes of sending a page after all, and never yields a wrong one.
   */
  read(indices: Uint32Array): Promise<readonly (Uint8Array | undefined)[]>;
}
