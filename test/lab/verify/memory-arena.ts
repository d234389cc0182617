import { fillPage, judgePage, type PageFinding, pageBytes } from './page-content.ts';

export interface MemoryCounters {
  checkedPages: number;
  rewrittenPages: number;
  passes: number;
  mismatches: number;
  firstMismatch: { place: number; generation: number; finding: PageFinding } | undefined;
}

/**
 * Pages whose right content can be computed at any time from their place and their generation. Some are rewritten
 * all the time (so that a migration has something to lose), all are checked in turn.
 */
export class MemoryArena {
  readonly counters: MemoryCounters = {
    checkedPages: 0,
    rewrittenPages: 0,
    passes: 0,
    mismatches: 0,
    firstMismatch: undefined,
  };
  readonly #salt: number;
  readonly #arena: ArrayBuffer;
  readonly #generations: Uint32Array;
  readonly #scratch = new Uint32Array(pageBytes / 4);
  #nextCheck = 0;
  #nextRewrite = 0;

  /** @param sizeMiB at least 1 */
  constructor(sizeMiB: number, salt: number) {
    const count = (sizeMiB * 1024 * 1024) / pageBytes;
    this.#salt = salt;
    this.#generations = new Uint32Array(count);
    this.#arena = new ArrayBuffer(count * pageBytes);
    for (let place = 0; place < count; place++) fillPage(this.pageAt(place), salt, place, 0);
  }

  get pageCount(): number {
    return this.#generations.length;
  }

  /** Checks the next `count` pages, starting again at the first one after the last. */
  check(count: number): void {
    for (let done = 0; done < count; done++) {
      const place = this.#nextCheck;
      const page = this.pageAt(place);
      const generation = this.#generations[place] as number;
      const finding = judgePage(page, this.#scratch, this.#salt, place, generation);
      this.counters.checkedPages++;
      if (finding !== 'intact') {
        this.counters.mismatches++;
        this.counters.firstMismatch ??= { place, generation, finding };
        // Repaired, so that one lost page counts once and later losses are still seen.
        fillPage(page, this.#salt, place, generation);
      }
      this.#nextCheck = (place + 1) % this.pageCount;
      if (this.#nextCheck === 0) this.counters.passes++;
    }
  }

  /** Gives the next `count` pages a new generation. A stride spreads them, as a real program's writes are spread. */
  rewrite(count: number): void {
    for (let done = 0; done < count; done++) {
      const place = this.#nextRewrite;
      const generation = (this.#generations[place] as number) + 1;
      this.#generations[place] = generation;
      fillPage(this.pageAt(place), this.#salt, place, generation);
      this.counters.rewrittenPages++;
      this.#nextRewrite = (place + rewriteStride) % this.pageCount;
    }
  }

  /** The page itself, not a copy. */
  pageAt(place: number): Uint32Array {
    return new Uint32Array(this.#arena, place * pageBytes, pageBytes / 4);
  }
}

/** Odd, so it visits every page of an arena whose page count is a power of two, and most of any other. */
const rewriteStride = 1031;
