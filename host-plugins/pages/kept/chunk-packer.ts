import { constants, zstdCompressSync } from 'node:zlib';
import { DockError } from '../../../protocol/dock-error.ts';
import { hashBytes, pageBytes } from '../page-list.ts';
import { type Chunks, chunkPages } from './image.ts';
import type { ImageFolder } from './image-folder.ts';
import { nameOf, Sealing } from './seal.ts';

const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export interface DiskBudget {
  /** What the image may take, bytes. */
  readonly maxBytes: number;
  /** What has to stay free on the file system, bytes. */
  readonly leaveFreeBytes: number;
}

/** Where a page is in an image. */
export interface Place {
  readonly chunk: number;
  readonly slot: number;
}

interface KnownChunk {
  readonly name: Buffer;
  readonly bytes: number;
  readonly pages: number;
}

/** Fills chunks with pages and writes them. Throws `does-not-fit` when that would take more disk than it may. */
export class ChunkPacker {
  readonly #folder: ImageFolder;
  readonly #key: Buffer;
  readonly #sealing: Sealing;
  readonly #budget: DiskBudget;
  readonly #chunks: KnownChunk[] = [];
  readonly #pack = Buffer.alloc(chunkPages * pageBytes);
  readonly #hashes = Buffer.alloc(chunkPages * hashBytes);
  #packed = 0;
  #bytes = 0;

  constructor(folder: ImageFolder, key: Buffer, budget: DiskBudget) {
    this.#folder = folder;
    this.#key = key;
    this.#sealing = new Sealing(key);
    this.#budget = budget;
  }

  /** Takes a chunk over that is there; before any page is added. Returns its number. */
  adopt({ names, bytes, pages }: Chunks, chunk: number): number {
    const name = Buffer.from(names.subarray(chunk * hashBytes, (chunk + 1) * hashBytes));
    const known = { name, bytes: bytes[chunk] ?? 0, pages: pages[chunk] ?? 0 };
    this.#bytes += known.bytes;
    return this.#chunks.push(known) - 1;
  }

  /** @param hash its 32 bytes; written with the chunk's other pages, when that is full or with `flush` */
  add(hash: Uint8Array, content: Uint8Array): Place {
    const slot = this.#packed;
    this.#pack.set(content, slot * pageBytes);
    this.#hashes.set(hash, slot * hashBytes);
    this.#packed += 1;
    const place = { chunk: this.#chunks.length, slot };
    if (this.#packed === chunkPages) this.flush();
    return place;
  }

  flush(): void {
    if (this.#packed === 0) return;
    const name = nameOf(this.#key, this.#hashes.subarray(0, this.#packed * hashBytes));
    const content = zstdCompressSync(this.#pack.subarray(0, this.#packed * pageBytes), compression);
    this.requireRoom(content.length);
    const bytes = this.#folder.writeChunk(this.#sealing, name.toString('hex'), content);
    this.#bytes += bytes;
    this.#chunks.push({ name, bytes, pages: this.#packed });
    this.#packed = 0;
  }

  requireRoom(bytes: number): void {
    const { maxBytes, leaveFreeBytes } = this.#budget;
    if (this.#bytes + bytes > maxBytes) {
      throw new DockError('does-not-fit', `it takes more than the ${mib(maxBytes)} MiB that it may`);
    }
    const free = this.#folder.freeBytes();
    if (free - bytes < leaveFreeBytes) {
      throw new DockError('does-not-fit', `only ${mib(free)} MiB are free in ${this.#folder.path}`);
    }
  }

  /** All that were taken over or written. */
  chunks(): Chunks {
    return {
      count: this.#chunks.length,
      names: Buffer.concat(this.#chunks.map(({ name }) => name)),
      bytes: Uint32Array.from(this.#chunks, ({ bytes }) => bytes),
      pages: Uint32Array.from(this.#chunks, ({ pages }) => pages),
    };
  }
}

function mib(bytes: number): number {
  return Math.floor(bytes / 2 ** 20);
}
