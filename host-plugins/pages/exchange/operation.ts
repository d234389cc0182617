import type { RamBlock } from '../stream/stream-item.ts';

/** How the receiver gets the content of pages. */
export type PageOrigin =
  | { readonly from: 'zero' }
  /** In the batch, and held for later ones. */
  | { readonly from: 'new' }
  /** In the batch, once: what could not be rebuilt is sent so. */
  | { readonly from: 'plain' }
  /** Pages number … to … + count - 1 of those that were new in this transfer. */
  | { readonly from: 'recent'; readonly number: number }
  | { readonly from: 'source'; readonly source: number; readonly index: number };

/** A run of page records, one page after the other. `named`: the first says the block's name. */
export type PageRun = PageOrigin & {
  readonly kind: 'pages';
  readonly block: number;
  readonly page: number;
  readonly count: number;
  readonly named: boolean;
};

/** What a batch rebuilds, in order. */
export type Operation =
  | { readonly kind: 'literal'; readonly bytes: number }
  | { readonly kind: 'blocks'; readonly blocks: readonly RamBlock[] }
  /** Rebuilds nothing: the page is somewhere in the literals, so nobody knows its hash. */
  | { readonly kind: 'unknown'; readonly block: number; readonly page: number }
  | PageRun;
