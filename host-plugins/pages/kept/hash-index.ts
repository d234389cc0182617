import { hashBytes } from '../page-list.ts';

/**
 * Finds a page by its hash: a number for each, which is its place in `hashes`. Open addressing over typed arrays, 8 to 16
 * bytes a page; a `Map` takes ten times that. SHA-256 spreads by itself, so its first bytes are the place to look.
 */
export class HashIndex {
  #hashes: Uint8Array;
  #slots: Uint32Array;
  #count = 0;

  /** @param hashes those of the pages 0, 1, …; all of them are put in */
  constructor(hashes: Uint8Array) {
    this.#hashes = hashes;
    const count = hashes.length / hashBytes;
    this.#slots = new Uint32Array(slotsFor(count));
    for (let page = 0; page < count; page += 1) this.#put(page);
  }

  /** The first one that was added of those that are equal. */
  find(hash: Uint8Array, offset = 0): number | undefined {
    const page = this.#slots[this.#slotOf(hash, offset)] ?? 0;
    return page === 0 ? undefined : page - 1;
  }

  /** Pages are added in their order; `hashes` has grown to have this one. */
  add(page: number, hashes: Uint8Array): void {
    this.#hashes = hashes;
    if ((this.#count + 1) * 2 > this.#slots.length) {
      const before = this.#slots;
      this.#slots = new Uint32Array(before.length * 2);
      this.#count = 0;
      for (const known of before) if (known !== 0) this.#put(known - 1);
    }
    this.#put(page);
  }

  #put(page: number): void {
    const slot = this.#slotOf(this.#hashes, page * hashBytes);
    if (this.#slots[slot] !== 0) return;
    this.#slots[slot] = page + 1;
    this.#count += 1;
  }

  /** Where it is, or the free place where it would be; at least half of the places are free. */
  #slotOf(hash: Uint8Array, offset: number): number {
    const mask = this.#slots.length - 1;
    let slot = wordAt(hash, offset) & mask;
    for (;;) {
      const page = this.#slots[slot] ?? 0;
      if (page === 0 || equal(this.#hashes, (page - 1) * hashBytes, hash, offset)) return slot;
      slot = (slot + 1) & mask;
    }
  }
}

function slotsFor(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(16, count * 2 + 2)));
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)) >>>
    0
  );
}

function equal(one: Uint8Array, oneAt: number, other: Uint8Array, otherAt: number): boolean {
  for (let at = 0; at < hashBytes; at += 1) if (one[oneAt + at] !== other[otherAt + at]) return false;
  return true;
}
