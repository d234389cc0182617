import { zstdDecompressSync } from 'node:zlib';
import { freeBuffer } from '../free-buffer.ts';
import { pageBytes } from '../page-list.ts';
import { chunkName, type Image, nowhere } from './image.ts';
import type { ImageFolder } from './image-folder.ts';

/** Chunks that stay open, MiB at most: pages are asked for in about the order in which they were kept. */
const openChunks = 64;

/** The pages of an image. For a worker: it blocks. */
export class ImageReader {
  readonly image: Image;
  readonly #folder: ImageFolder;
  /** Least recently used first; undefined for one that does not open. */
  readonly #open = new Map<number, Buffer | undefined>();

  constructor(folder: ImageFolder, image: Image) {
    this.#folder = folder;
    this.image = image;
  }

  /**
   * Undefined where it is not in the image, or its chunk is damaged; that one is then removed. A view, valid until the
   * next page is asked for.
   */
  page(page: number): Buffer | undefined {
    const chunk = this.image.chunkOf[page] ?? nowhere;
    if (chunk === nowhere) return undefined;
    const at = (this.image.slotOf[page] ?? 0) * pageBytes;
    return this.#chunk(chunk)?.subarray(at, at + pageBytes);
  }

  #chunk(chunk: number): Buffer | undefined {
    const known = this.#open.has(chunk);
    const content = known ? this.#open.get(chunk) : this.#read(chunk);
    this.#open.delete(chunk);
    this.#open.set(chunk, content);
    const [oldest] = this.#open.keys();
    if (this.#open.size > openChunks && oldest !== undefined) {
      const closed = this.#open.get(oldest);
      this.#open.delete(oldest);
      if (closed !== undefined) freeBuffer(closed);
    }
    return content;
  }

  #read(chunk: number): Buffer | undefined {
    const { chunks } = this.image;
    const bytes = (chunks.pages[chunk] ?? 0) * pageBytes;
    try {
      const packed = this.#folder.readChunk(chunkName(chunks, chunk));
      const content = zstdDecompressSync(packed, { maxOutputLength: bytes, chunkSize: bytes + 1 });
      freeBuffer(packed);
      if (content.length === bytes) return content;
    } catch {
      // below, like one of another length
    }
    this.#folder.removeChunk(chunkName(chunks, chunk));
    return undefined;
  }
}
