import { constants, zstdCompressSync } from 'node:zlib';
import { DockError } from '../../../protocol/dock-error.ts';
import { bytesOf, hashBytes, listLength, type PageList, pageBytes } from '../page-list.ts';
import { HashIndex } from './hash-index.ts';
import { chunkName, chunkPages, digestText, type Image, type ImageSeal, nowhere } from './image.ts';
import type { ImageFolder } from './image-folder.ts';
import { nameOf, Sealing } from './seal.ts';

/** An old chunk of which less than this part is needed still is not kept for it: its pages are written anew. */
const leastUse = 0.5;
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export interface DiskBudget {
  /** What the image may take, bytes. */
  readonly maxBytes: number;
  /** What has to stay free on the file system, bytes. */
  readonly leaveFreeBytes: number;
}

/** The content of a page, good until the next call; undefined where it is not what its hash says. */
export type ReadPage = (page: number) => Uint8Array | undefined;

interface WrittenChunk {
  readonly name: Buffer;
  readonly bytes: number;
  readonly pages: number;
}

/**
 * Writes the image of a list of pages beside the one that is there, taking over the chunks of that one where they are
 * still good for something: so it writes what is new, and not more than that again. Throws `does-not-fit` when it needs
 * more disk than it may take; what is there then stays as it is. For a worker: it blocks.
 */
export class ImageWriter {
  readonly #folder: ImageFolder;
  readonly #key: Buffer;
  readonly #sealing: Sealing;
  readonly #budget: DiskBudget;
  readonly #list: PageList;
  readonly #chunkOf: Uint32Array;
  readonly #slotOf: Uint8Array;
  readonly #chunks: WrittenChunk[] = [];
  readonly #pack = Buffer.alloc(chunkPages * pageBytes);
  readonly #packed: number[] = [];
  #bytes = 0;

  private constructor(folder: ImageFolder, key: Buffer, list: PageList, budget: DiskBudget) {
    this.#folder = folder;
    this.#key = key;
    this.#sealing = new Sealing(key);
    this.#budget = budget;
    this.#list = list;
    this.#chunkOf = new Uint32Array(listLength(list)).fill(nowhere);
    this.#slotOf = new Uint8Array(listLength(list));
  }

  /** Returns the image, durable, and how many pages had to be written. */
  static write(
    folder: ImageFolder,
    key: Buffer,
    wanted: { readonly list: PageList; readonly seal: ImageSeal; readonly at: number },
    readPage: ReadPage,
    budget: DiskBudget,
  ): { image: Image; written: number } {
    folder.make();
    const old = readOld(folder);
    folder.sweep(old);
    const writer = new ImageWriter(folder, key, wanted.list, budget);
    try {
      if (old !== undefined) writer.#takeOver(old);
      const written = writer.#writeRest(readPage);
      const image = writer.#image(wanted.seal, wanted.at);
      writer.#requireRoom(image.chunks.count * 64 + listLength(image.list) * 41);
      folder.writeImage(image);
      return { image, written };
    } catch (error) {
      folder.sweep(old);
      throw error;
    }
  }

  /** Pages that are in chunks of the old image, whole and used enough. */
  #takeOver(old: Image): void {
    const index = new HashIndex(old.list.hashes);
    const sizes = this.#folder.chunkSizes();
    const used = new Map<number, Set<number>>();
    const found = new Uint32Array(this.#chunkOf.length).fill(nowhere);
    for (let page = 0; page < found.length; page += 1) {
      const before = index.find(this.#list.hashes, page * hashBytes);
      const chunk = before === undefined ? nowhere : (old.chunkOf[before] ?? nowhere);
      if (before === undefined || chunk === nowhere) continue;
      found[page] = before;
      const slots = used.get(chunk) ?? new Set();
      used.set(chunk, slots.add(old.slotOf[before] ?? 0));
    }
    const numbers = new Map<number, number>();
    for (const [chunk, slots] of [...used].sort(([one], [other]) => one - other)) {
      const pages = old.chunks.pages[chunk] ?? 0;
      const bytes = old.chunks.bytes[chunk] ?? 0;
      if (slots.size < pages * leastUse || sizes.get(chunkName(old.chunks, chunk)) !== bytes) continue;
      const name = Buffer.from(old.chunks.names.subarray(chunk * hashBytes, (chunk + 1) * hashBytes));
      numbers.set(chunk, this.#chunks.push({ name, bytes, pages }) - 1);
      this.#bytes += bytes;
    }
    found.forEach((before, page) => {
      const chunk = before === nowhere ? undefined : numbers.get(old.chunkOf[before] ?? nowhere);
      if (chunk !== undefined) this.#put(page, chunk, old.slotOf[before] ?? 0);
    });
  }

  #writeRest(readPage: ReadPage): number {
    const index = new HashIndex(this.#list.hashes);
    let written = 0;
    for (let page = 0; page < this.#chunkOf.length; page += 1) {
      if (this.#chunkOf[page] !== nowhere) continue;
      const first = index.find(this.#list.hashes, page * hashBytes) ?? page;
      if (first !== page) continue; // the same as one before; it follows below
      const content = readPage(page);
      if (content === undefined) continue;
      this.#pack.set(content, this.#packed.length * pageBytes);
      this.#packed.push(page);
      written += 1;
      if (this.#packed.length === chunkPages) this.#flush();
    }
    this.#flush();
    this.#chunkOf.forEach((chunk, page) => {
      if (chunk !== nowhere) return;
      const first = index.find(this.#list.hashes, page * hashBytes) ?? page;
      this.#put(page, this.#chunkOf[first] ?? nowhere, this.#slotOf[first] ?? 0);
    });
    return written;
  }

  #flush(): void {
    if (this.#packed.length === 0) return;
    const hashes = this.#packed.map((page) =>
      bytesOf(this.#list.hashes.subarray(page * hashBytes, (page + 1) * hashBytes)),
    );
    const name = nameOf(this.#key, Buffer.concat(hashes));
    const content = zstdCompressSync(this.#pack.subarray(0, this.#packed.length * pageBytes), compression);
    this.#requireRoom(content.length);
    const bytes = this.#folder.writeChunk(this.#sealing, name.toString('hex'), content);
    this.#bytes += bytes;
    const chunk = this.#chunks.push({ name, bytes, pages: this.#packed.length }) - 1;
    this.#packed.forEach((page, slot) => void this.#put(page, chunk, slot));
    this.#packed.length = 0;
  }

  #requireRoom(bytes: number): void {
    const { maxBytes, leaveFreeBytes } = this.#budget;
    if (this.#bytes + bytes > maxBytes) {
      throw new DockError('does-not-fit', `it takes more than the ${mib(maxBytes)} MiB that it may`);
    }
    const free = this.#folder.freeBytes();
    if (free - bytes < leaveFreeBytes) {
      throw new DockError('does-not-fit', `only ${mib(free)} MiB are free in ${this.#folder.path}`);
    }
  }

  #put(page: number, chunk: number, slot: number): void {
    this.#chunkOf[page] = chunk;
    this.#slotOf[page] = slot;
  }

  #image(seal: ImageSeal, at: number): Image {
    return {
      seal,
      at,
      digest: digestText(this.#list),
      list: this.#list,
      chunkOf: this.#chunkOf,
      slotOf: this.#slotOf,
      chunks: {
        count: this.#chunks.length,
        names: Buffer.concat(this.#chunks.map(({ name }) => name)),
        bytes: Uint32Array.from(this.#chunks, ({ bytes }) => bytes),
        pages: Uint32Array.from(this.#chunks, ({ pages }) => pages),
      },
    };
  }
}

/** One that is damaged is not built upon. */
function readOld(folder: ImageFolder): Image | undefined {
  try {
    return folder.readImage();
  } catch (error) {
    const { kind } = DockError.from(error);
    if (kind === 'untrusted' || kind === 'protocol') return undefined;
    throw error;
  }
}

function mib(bytes: number): number {
  return Math.floor(bytes / 2 ** 20);
}
