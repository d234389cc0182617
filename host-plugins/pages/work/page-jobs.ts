import { hash } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Coding } from '../exchange/frame.ts';
import { buildSourceTable } from '../exchange/source-index.ts';
import { hashBytes, pageBytes } from '../page-list.ts';

/** Levels of zstd; 0 does not compress. Negative ones are quick and little. */
export type Level = number;

/** What takes time, for a worker to do. Buffers that are not shared change hands. */
export type PageJob =
  /** SHA-256 of the pages of these slots, or of so many first ones, written to the same slots of `hashes`. */
  | {
      readonly do: 'hash';
      readonly pages: SharedArrayBuffer;
      readonly slots: Uint16Array | number;
      readonly hashes: SharedArrayBuffer;
    }
  /** What a batch carries, as one payload. */
  | {
      readonly do: 'pack';
      readonly head: Uint8Array;
      readonly pages: SharedArrayBuffer;
      readonly slots: Uint16Array;
      readonly level: Level;
    }
  /** The other way: `bytes` is what has to come out. From `pagesAt` on it is pages, which are hashed. */
  | {
      readonly do: 'unpack';
      readonly payload: Uint8Array;
      readonly coding: Coding;
      readonly bytes: number;
      readonly pagesAt: number;
    }
  | {
      readonly do: 'index';
      readonly sources: readonly { readonly hashes: SharedArrayBuffer; readonly pages: number }[];
    };

export interface PageResults {
  hash: undefined;
  pack: { readonly coding: Coding; readonly payload: Uint8Array };
  /** Undefined where the payload is damaged. */
  unpack: { readonly payload: Uint8Array; readonly hashes: Uint8Array } | undefined;
  index: SharedArrayBuffer;
}

export type ResultOf<J extends PageJob> = PageResults[J['do']];

export function doPageJob(job: PageJob): PageResults[PageJob['do']] {
  switch (job.do) {
    case 'hash':
      hashPages(new Uint8Array(job.pages), job.slots, new Uint8Array(job.hashes));
      return undefined;
    case 'pack':
      return pack(job.head, new Uint8Array(job.pages), job.slots, job.level);
    case 'unpack':
      return unpack(job.payload, job.coding, job.bytes, job.pagesAt);
    case 'index':
      return buildSourceTable(job.sources);
  }
}

function hashApart(pages: Uint8Array): Uint8Array {
  const count = pages.length / pageBytes;
  const hashes = new Uint8Array(count * hashBytes);
  hashPages(pages, count, hashes);
  return hashes;
}

/** SHA-256 of the pages of these slots, or of so many first ones. */
export function hashPages(pages: Uint8Array, slots: Uint16Array | number, hashes: Uint8Array): void {
  const count = typeof slots === 'number' ? slots : slots.length;
  for (let i = 0; i < count; i++) {
    const slot = typeof slots === 'number' ? i : (slots[i] ?? 0);
    const page = pages.subarray(slot * pageBytes, (slot + 1) * pageBytes);
    hashes.set(hash('sha256', page, 'buffer'), slot * hashBytes);
  }
}

/** What pages of a system compress to at least, most of the time; where they do not, the rest comes in further buffers. */
const expectedRatio = 3;
/** Taken once a thread: each new buffer of this size brings the next collection of garbage nearer. */
let scratch = new Uint8Array();

function pack(head: Uint8Array, pages: Uint8Array, slots: Uint16Array, level: Level): PageResults['pack'] {
  const bytes = head.length + slots.length * pageBytes;
  if (scratch.length < bytes) scratch = new Uint8Array(bytes);
  const plain = scratch.subarray(0, bytes);
  plain.set(head);
  let at = head.length;
  for (const slot of slots) {
    plain.set(pages.subarray(slot * pageBytes, (slot + 1) * pageBytes), at);
    at += pageBytes;
  }
  if (level === 0) return { coding: 'plain', payload: plain.slice() };
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 0 };
  const packed = zstdCompressSync(plain, { params, chunkSize: Math.ceil(bytes / expectedRatio) + 1024 });
  return packed.length < bytes
    ? { coding: 'zstd', payload: packed }
    : { coding: 'plain', payload: plain.slice() };
}

function unpack(payload: Uint8Array, coding: Coding, bytes: number, pagesAt: number): PageResults['unpack'] {
  const plain = coding === 'plain' ? payload : decompress(payload, bytes);
  if (plain?.length !== bytes) return undefined;
  return { payload: plain, hashes: hashApart(plain.subarray(pagesAt)) };
}

function decompress(payload: Uint8Array, bytes: number): Uint8Array | undefined {
  try {
    return zstdDecompressSync(payload, {
      maxOutputLength: Math.max(1, bytes),
      chunkSize: Math.max(64, bytes),
    });
  } catch {
    return undefined;
  }
}
