/** Bytes in one checked unit: the page size of the guest, because a page is what a migration can lose. */
export const pageBytes = 4096;

const wordsPerPage = pageBytes / 4;
/**
 * The same words stand in a page four times: so it compresses to a quarter, as the memory of the guest's other programs
 * does (seen: 0.22). Pages that do not compress at all would be most of what a compressed move of the guest sends.
 */
const wordsPerQuarter = wordsPerPage / 4;

/**
 * Fills `page` (1024 words) with the content that belongs to a place and a generation. No two places and no two
 * generations of one place share content, so a page that is stale, zero or somebody else's is told from the right one.
 */
export function fillPage(page: Uint32Array, salt: number, place: number, generation: number): void {
  let state = mix(salt ^ mix(place + 0x9e3779b9) ^ mix(generation + 0x7f4a7c15)) || 1;
  for (let word = 0; word < wordsPerQuarter; word++) {
    // xorshift32 (Marsaglia 2003): three shifts a word is what an emulated processor can afford.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    page[word] = state;
  }
  page.copyWithin(wordsPerQuarter, 0, wordsPerQuarter);
  page.copyWithin(2 * wordsPerQuarter, 0, 2 * wordsPerQuarter);
}

export type PageFinding = 'intact' | 'stale' | 'zero' | 'corrupt';

/** Tells what stands in `found` where generation `generation` should stand; looks back four generations for `stale`. */
export function judgePage(
  found: Uint32Array,
  scratch: Uint32Array,
  salt: number,
  place: number,
  generation: number,
): PageFinding {
  fillPage(scratch, salt, place, generation);
  if (equalPages(found, scratch)) return 'intact';
  if (found.every((word) => word === 0)) return 'zero';
  for (let older = generation - 1; older >= Math.max(0, generation - 4); older--) {
    fillPage(scratch, salt, place, older);
    if (equalPages(found, scratch)) return 'stale';
  }
  return 'corrupt';
}

function equalPages(left: Uint32Array, right: Uint32Array): boolean {
  for (let word = 0; word < wordsPerPage; word++) if (left[word] !== right[word]) return false;
  return true;
}

/** The finaliser of MurmurHash3: neighbouring places must not start neighbouring streams. */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
