import { hashWords, sameHash } from './source-index.ts';

/**
 * The sender's picture of what the receiver holds of this transfer: the hashes of the last pages that were sent in
 * full, numbered as they were sent. 48 bytes a page.
 */
export class RecentIndex {
  readonly #capacity: number;
  readonly #words: Uint32Array;
  readonly #table: Uint32Array;
  #next = 0;
  #entries = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#words = new Uint32Array(capacity * hashWords);
    this.#table = new Uint32Array(4 * 2 ** Math.ceil(Math.log2(capacity)));
  }

  /** The number of the next page that is added. */
  get next(): number {
    return this.#next;
  }

  add(words: Uint32Array, at: number): void {
    const slot = this.#next % this.#capacity;
    for (let i = 0; i < hashWords; i++) this.#words[slot * hashWords + i] = words[at + i] ?? 0;
    this.#next++;
    // Entries of pages that are gone stay until the table is half full.
    if (this.#entries * 2 >= this.#table.length) this.#rebuild();
    else this.#enter(slot);
  }

  /** The number of a page with this content that the receiver still holds. */
  find(words: Uint32Array, at: number): number | undefined {
    const mask = this.#table.length - 1;
    for (let place = (words[at] ?? 0) & mask; ; place = (place + 1) & mask) {
      const entry = this.#table[place] ?? 0;
      if (entry === 0) return undefined;
      if (sameHash(this.#words, (entry - 1) * hashWords, words, at)) return this.#numberOf(entry - 1);
    }
  }

  isAt(number: number, words: Uint32Array, at: number): boolean {
    if (number < 0 || number >= this.#next || number < this.#next - this.#capacity) return false;
    return sameHash(this.#words, (number % this.#capacity) * hashWords, words, at);
  }

  #numberOf(slot: number): number {
    const last = this.#next - 1;
    return last - ((((last - slot) % this.#capacity) + this.#capacity) % this.#capacity);
  }

  #enter(slot: number): void {
    const mask = this.#table.length - 1;
    let place = (this.#words[slot * hashWords] ?? 0) & mask;
    while (this.#table[place] !== 0) place = (place + 1) & mask;
    this.#table[place] = slot + 1;
    this.#entries++;
  }

  #rebuild(): void {
    this.#table.fill(0);
    this.#entries = 0;
    for (let slot = 0; slot < Math.min(this.#next, this.#capacity); slot++) this.#enter(slot);
  }
}
