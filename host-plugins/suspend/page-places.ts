import { HashIndex } from '../pages/kept/hash-index.ts';
import { hashBytes } from '../pages/page-list.ts';

/** Where pages are, by their content; a place is a number that counts through all chunks. Takes 45 to 60 bytes a page. */
export class PagePlaces {
  #hashes = new Uint8Array(1024 * hashBytes);
  #count = 0;
  readonly #index = new HashIndex(new Uint8Array());

  get count(): number {
    return this.#count;
  }

  find(hash: Uint8Array): number | undefined {
    return this.#index.find(hash);
  }

  /** Returns its place. */
  add(hash: Uint8Array): number {
    const place = this.#count;
    if ((place + 1) * hashBytes > this.#hashes.length) {
      const grown = new Uint8Array(this.#hashes.length * 2);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes.set(hash, place * hashBytes);
    this.#count += 1;
    this.#index.add(place, this.#hashes);
    return place;
  }
}
