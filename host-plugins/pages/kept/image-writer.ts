import { DockError } from '../../../protocol/dock-error.ts';
import { hashBytes, listLength, type PageList } from '../page-list.ts';
import { ChunkPacker, type DiskBudget } from './chunk-packer.ts';
import { HashIndex } from './hash-index.ts';
import { chunkName, digestText, type Image, type ImageSeal, nowhere } from './image.ts';
import type { ImageFolder } from './image-folder.ts';

/** An old chunk of which less than this part is needed still is not kept for it: its pages are written anew. */
const leastUse = 0.5;

/** The content of a page, good until the next call; undefined where it is not what its hash says. */
export type ReadPage = (page: number) => Uint8Array | undefined;

/**
 * Writes the image of a list of pages beside the one that is there, taking over the chunks of that one where they are
 * still good for something: so it writes what is new, and not more than that again. Throws `does-not-fit` when it needs
 * more disk than it may take; what is there then stays as it is. For a worker: it blocks.
 */
export class ImageWriter {
  readonly #folder: ImageFolder;
  readonly #packer: ChunkPacker;
  readonly #list: PageList;
  readonly #chunkOf: Uint32Array;
  readonly #slotOf: Uint8Array;

  private constructor(folder: ImageFolder, key: Buffer, list: PageList, budget: DiskBudget) {
    this.#folder = folder;
    this.#packer = new ChunkPacker(folder, key, budget);
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
    const old = readOldImage(folder);
    folder.sweep(old);
    const writer = new ImageWriter(folder, key, wanted.list, budget);
    try {
      if (old !== undefined) writer.#takeOver(old);
      const written = writer.#writeRest(readPage);
      const { list } = wanted;
      const chunks = writer.#packer.chunks();
      writer.#packer.requireRoom(imageBytes(chunks.count, listLength(list)));
      const places = { chunkOf: writer.#chunkOf, slotOf: writer.#slotOf };
      const image: Image = { ...wanted, digest: digestText(list), ...places, chunks };
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
      const enough = slots.size >= (old.chunks.pages[chunk] ?? 0) * leastUse;
      const whole = sizes.get(chunkName(old.chunks, chunk)) === old.chunks.bytes[chunk];
      if (enough && whole) numbers.set(chunk, this.#packer.adopt(old.chunks, chunk));
    }
    found.forEach((before, page) => {
      const chunk = before === nowhere ? undefined : numbers.get(old.chunkOf[before] ?? nowhere);
      if (chunk !== undefined) this.#put(page, chunk, old.slotOf[before] ?? 0);
    });
  }

  #writeRest(readPage: ReadPage): number {
    const { hashes } = this.#list;
    const index = new HashIndex(hashes);
    let written = 0;
    for (let page = 0; page < this.#chunkOf.length; page += 1) {
      if (this.#chunkOf[page] !== nowhere) continue;
      const first = index.find(hashes, page * hashBytes) ?? page;
      if (first !== page) continue; // the same as one before; it follows below
      const content = readPage(page);
      if (content === undefined) continue;
      const hash = hashes.subarray(page * hashBytes, (page + 1) * hashBytes);
      const { chunk, slot } = this.#packer.add(hash, content);
      this.#put(page, chunk, slot);
      written += 1;
    }
    this.#packer.flush();
    this.#chunkOf.forEach((chunk, page) => {
      if (chunk !== nowhere) return;
      const first = index.find(hashes, page * hashBytes) ?? page;
      this.#put(page, this.#chunkOf[first] ?? nowhere, this.#slotOf[first] ?? 0);
    });
    return written;
  }

  #put(page: number, chunk: number, slot: number): void {
    this.#chunkOf[page] = chunk;
    this.#slotOf[page] = slot;
  }
}

/** About what the file takes that says what there is. */
export function imageBytes(chunks: number, pages: number): number {
  return chunks * 64 + pages * 41;
}

/** One that is damaged is not built upon. */
export function readOldImage(folder: ImageFolder): Image | undefined {
  try {
    return folder.readImage();
  } catch (error) {
    const { kind } = DockError.from(error);
    if (kind === 'untrusted' || kind === 'protocol') return undefined;
    throw error;
  }
}
