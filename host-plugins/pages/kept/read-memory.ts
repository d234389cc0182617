import { hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { bytesOf, hashBytes, type PageList, pageBytes } from '../page-list.ts';
import type { MemoryFile } from './guest-memory.ts';
import type { ReadPage } from './image-writer.ts';

/** Read at a time, bytes: pages are asked for by address. */
const windowBytes = 64 * pageBytes;
/** Two blocks of one size are told apart by so many of their pages. */
const samples = 64;

interface Place {
  readonly fd: number;
  readonly at: number;
}

/** The listed pages, out of the files that have them; only those that are what their hash says. For a worker: it blocks. */
export function readMemory(list: PageList, files: readonly MemoryFile[]): ReadPage {
  const blocks = placeBlocks(list, files);
  const window = Buffer.alloc(windowBytes);
  let held: { fd: number; at: number; bytes: number } | undefined;
  const read = ({ fd, at }: Place): Buffer | undefined => {
    if (held === undefined || held.fd !== fd || at < held.at || at + pageBytes > held.at + held.bytes) {
      held = { fd, at, bytes: readSync(fd, window, 0, windowBytes, at) };
    }
    return held.bytes < pageBytes ? undefined : window.subarray(at - held.at, at - held.at + pageBytes);
  };
  return (page) => {
    const block = blocks.find(({ end }) => page < end);
    if (block?.fd === undefined) return undefined;
    return checked(list, page, read({ fd: block.fd, at: (list.indices[page] ?? 0) * pageBytes }));
  };
}

/** Which file has which block: the one of its size, and of several that whose content is the block's. */
function placeBlocks(
  list: PageList,
  files: readonly MemoryFile[],
): { end: number; fd: number | undefined }[] {
  let end = 0;
  return list.blocks.map(({ bytes, pages }) => {
    const begin = end;
    end += pages;
    const likely = files.filter((file) => file.bytes === bytes);
    const scores = likely.map(({ fd }) => ({ fd, hits: likely.length < 2 ? 0 : hits(list, begin, end, fd) }));
    return { end, fd: scores.sort((one, other) => other.hits - one.hits)[0]?.fd };
  });
}

function hits(list: PageList, begin: number, end: number, fd: number): number {
  const page = Buffer.alloc(pageBytes);
  const step = Math.max(1, Math.floor((end - begin) / samples));
  let found = 0;
  for (let at = begin; at < end; at += step) {
    readSync(fd, page, 0, pageBytes, (list.indices[at] ?? 0) * pageBytes);
    if (checked(list, at, page) !== undefined) found += 1;
  }
  return found;
}

function checked(list: PageList, page: number, content: Buffer | undefined): Buffer | undefined {
  if (content === undefined) return undefined;
  const wanted = bytesOf(list.hashes.subarray(page * hashBytes, (page + 1) * hashBytes));
  return hash('sha256', content, 'buffer').equals(wanted) ? content : undefined;
}
