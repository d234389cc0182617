import { hashBytes, pageBytes } from '../page-list.ts';
import { limits } from './limits.ts';

const pieceBytes = 1024 * 1024;
const piecePages = pieceBytes / pageBytes;

/** The receiver's last pages that came in full, with their hashes; 64.5 MiB when it is full, taken bit by bit. */
export class RecentPages {
  readonly #capacity: number;
  readonly #pieces: { readonly pages: Buffer; readonly hashes: Buffer }[] = [];
  #next = 0;

  constructor(capacity: number = limits.recentPages) {
    this.#capacity = capacity;
  }

  /** The number of the next page that is added. */
  get next(): number {
    return this.#next;
  }

  holds(number: number): boolean {
    return number >= 0 && number < this.#next && number >= this.#next - this.#capacity;
  }

  add(pages: Uint8Array, page: number, hashes: Uint8Array, hash: number): void {
    const slot = this.#next % this.#capacity;
    const piece = Math.floor(slot / piecePages);
    let into = this.#pieces[piece];
    if (into === undefined) {
      into = { pages: Buffer.alloc(pieceBytes), hashes: Buffer.alloc(piecePages * hashBytes) };
      this.#pieces[piece] = into;
    }
    const within = slot % piecePages;
    into.pages.set(pages.subarray(page, page + pageBytes), within * pageBytes);
    into.hashes.set(hashes.subarray(hash, hash + hashBytes), within * hashBytes);
    this.#next++;
  }

  /** Views, valid until it is overwritten. Only for a number that it `holds`. */
  get(number: number): { readonly page: Uint8Array; readonly hash: Uint8Array } {
    const slot = number % this.#capacity;
    const within = slot % piecePages;
    const piece = this.#pieces[Math.floor(slot / piecePages)];
    if (piece === undefined || !this.holds(number)) throw new RangeError(`page ${number} is not held`);
    return {
      page: piece.pages.subarray(within * pageBytes, (within + 1) * pageBytes),
      hash: piece.hashes.subarray(within * hashBytes, (within + 1) * hashBytes),
    };
  }
}
