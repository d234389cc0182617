import { hashBytes, type PageList, pageBytes } from '../page-list.ts';

/** Pages that were sent ahead, in the order in which they were sent. */
export function warmList(hashes: Uint8Array): PageList {
  const pages = hashes.length / hashBytes;
  const shared = new Uint8Array(new SharedArrayBuffer(hashes.length));
  shared.set(hashes);
  return {
    blocks: [{ name: 'warm', bytes: pages * pageBytes, pages }],
    indices: Uint32Array.from({ length: pages }, (_, page) => page),
    hashes: shared,
  };
}

/** The first pages of it. */
export function beginningOf({ hashes }: PageList, pages: number): PageList {
  return warmList(hashes.subarray(0, pages * hashBytes));
}
