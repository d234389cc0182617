import { hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { constants, zstdCompressSync } from 'node:zlib';
import type { MemoryFile } from '../kept/guest-memory.ts';
import { HashIndex } from '../kept/hash-index.ts';
import { hashBytes, pageBytes } from '../page-list.ts';

const windowBytes = 256 * pageBytes;
const zeros = Buffer.alloc(windowBytes);
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Pages of a machine's memory that another device lacks: each its file's number and its place there. */
export interface LackingPages {
  readonly files: Uint8Array;
  readonly indices: Uint32Array;
  /** How many it has, of those that are not of zeros. */
  readonly known: number;
}

/**
 * Looks through the memory of a machine that runs. What is written meanwhile does not matter: who sends a page hashes what
 * it sends. For a worker: it blocks.
 */
export function scanMemory(
  files: readonly MemoryFile[],
  hashes: readonly Uint8Array[],
  maxPages: number,
): LackingPages {
  const known = hashes.map((each) => new HashIndex(each));
  const seen = new Set<string>();
  const found: { file: number; index: number }[] = [];
  let there = 0;
  for (const [file, { fd, bytes }] of files.entries()) {
    for (const { index, page } of nonZeroPages(fd, bytes)) {
      const sum = hash('sha256', page, 'buffer');
      const name = sum.toString('latin1');
      if (seen.has(name) || known.some((each) => each.find(sum) !== undefined)) there += 1;
      else if (found.length < maxPages) {
        seen.add(name);
        found.push({ file, index });
      }
    }
  }
  return {
    files: Uint8Array.from(found, (page) => page.file),
    indices: Uint32Array.from(found, (page) => page.index),
    known: there,
  };
}

function* nonZeroPages(fd: number, bytes: number): Generator<{ index: number; page: Buffer }> {
  const window = Buffer.alloc(windowBytes);
  for (let at = 0; at < bytes; at += windowBytes) {
    const length = readSync(fd, window, 0, windowBytes, at);
    if (window.compare(zeros, 0, length, 0, length) === 0) continue;
    for (let within = 0; within + pageBytes <= length; within += pageBytes) {
      const page = window.subarray(within, within + pageBytes);
      if (page.compare(zeros, 0, pageBytes) !== 0) yield { index: (at + within) / pageBytes, page };
    }
  }
}

/** As they are now: compressed, and the hash of each. */
export function packPages(
  files: readonly MemoryFile[],
  lacking: Pick<LackingPages, 'files' | 'indices'>,
): { packed: Uint8Array; hashes: Uint8Array } {
  const pages = Buffer.alloc(lacking.indices.length * pageBytes);
  const hashes = Buffer.alloc(lacking.indices.length * hashBytes);
  lacking.indices.forEach((index, number) => {
    const page = pages.subarray(number * pageBytes, (number + 1) * pageBytes);
    const file = files[lacking.files[number] ?? 0];
    if (file !== undefined) readSync(file.fd, page, 0, pageBytes, index * pageBytes);
    hash('sha256', page, 'buffer').copy(hashes, number * hashBytes);
  });
  return { packed: zstdCompressSync(pages, compression), hashes };
}
