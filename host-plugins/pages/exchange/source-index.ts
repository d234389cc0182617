import type { SendingSource } from '../page-source.ts';

/** SHA-256 as eight words. */
export const hashWords = 8;

/** Where a page is: which source, and which place in it. */
export interface SourcePlace {
  readonly source: number;
  readonly index: number;
}

/** At most this many pages in all sources together can be found; 2 TiB. */
const maxPages = 0x2000_0000;

/**
 * Finds a page by its hash in all sources at once: an open-addressing table of places, whose keys are the hashes in the
 * sources themselves. 8 to 16 bytes a page.
 */
export class SourceIndex {
  readonly #words: readonly Uint32Array[];
  readonly #firsts: readonly number[];
  readonly #table: Uint32Array;

  /** `table`: of `buildSourceTable` for these sources. */
  constructor(sources: readonly Pick<SendingSource, 'hashes' | 'pages'>[], table: SharedArrayBuffer) {
    this.#words = sources.map(({ hashes }) => new Uint32Array(hashes));
    let first = 0;
    this.#firsts = sources.map(({ pages }) => {
      first += pages;
      return first - pages;
    });
    this.#table = new Uint32Array(table);
  }

  /** Of several places with this content any. `at`: of its first word. */
  find(words: Uint32Array, at: number): SourcePlace | undefined {
    const entry = this.#table[this.#seek(words, at)] ?? 0;
    return entry === 0 ? undefined : this.#placeOf(entry - 1);
  }

  /** Where a page with this content is entered; undefined where one is. */
  freeSlot(words: Uint32Array, at: number): number | undefined {
    const slot = this.#seek(words, at);
    return this.#table[slot] === 0 ? slot : undefined;
  }

  isAt(source: number, index: number, words: Uint32Array, at: number): boolean {
    const known = this.#words[source];
    return known !== undefined && sameHash(known, index * hashWords, words, at);
  }

  #seek(words: Uint32Array, at: number): number {
    const mask = this.#table.length - 1;
    for (let slot = (words[at] ?? 0) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#table[slot] ?? 0;
      if (entry === 0) return slot;
      const { source, index } = this.#placeOf(entry - 1);
      if (this.isAt(source, index, words, at)) return slot;
    }
  }

  #placeOf(place: number): SourcePlace {
    let source = this.#firsts.length - 1;
    while (source > 0 && place < (this.#firsts[source] ?? 0)) source--;
    return { source, index: place - (this.#firsts[source] ?? 0) };
  }
}

/** The table for these sources. Of pages that are too many in all the last ones are not found. Takes 0.2 us a page. */
export function buildSourceTable(
  sources: readonly Pick<SendingSource, 'hashes' | 'pages'>[],
): SharedArrayBuffer {
  const pages = Math.min(
    sources.reduce((sum, source) => sum + source.pages, 0),
    maxPages,
  );
  const slots = 2 ** Math.ceil(Math.log2(Math.max(2, pages * 2)));
  const buffer = new SharedArrayBuffer(slots * 4);
  const table = new Uint32Array(buffer);
  const index = new SourceIndex(sources, buffer);
  let place = 0;
  for (const source of sources) {
    const words = new Uint32Array(source.hashes);
    for (let page = 0; page < source.pages && place < maxPages; page++) {
      place++;
      // Content that is there many times is entered once, or each of it would be passed on the way to the next.
      const slot = index.freeSlot(words, page * hashWords);
      if (slot !== undefined) table[slot] = place;
    }
  }
  return buffer;
}

export function sameHash(a: Uint32Array, atA: number, b: Uint32Array, atB: number): boolean {
  for (let i = 0; i < hashWords; i++) if (a[atA + i] !== b[atB + i]) return false;
  // past the end all is undefined, which equals itself
  return atA + hashWords <= a.length;
}
