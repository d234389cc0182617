import { createHash, hash } from 'node:crypto';
import { hashBytes, pageBytes } from '../pages/page-list.ts';
import type { PageAddress, RamBlock, StreamSink } from '../pages/stream/stream-item.ts';
import { StreamParser } from '../pages/stream/stream-parser.ts';
import { chunkPages, type ImageFiles, type WrittenFile } from './image-files.ts';
import type { ImageHead } from './image-head.ts';
import { PagePlaces } from './page-places.ts';
import { RecipeWriter } from './recipe.ts';

/** Files that are compressed and written at once; bounds what waits in memory to a few MiB each. */
const writesAtOnce = 4;

export interface WriteStatistics {
  /** Of QEMU's stream. */
  readonly streamBytes: number;
  /** Of the files that were written. */
  readonly writtenBytes: number;
  readonly pages: {
    readonly zero: number;
    /** In files that were there before. */
    readonly reused: number;
    /** The same as one before in this image. */
    readonly repeated: number;
    readonly written: number;
  };
}

interface Chunk {
  readonly first: number;
  readonly pages: number;
  used: boolean;
  written: WrittenFile | undefined;
}

/**
 * Writes QEMU's stream into a directory: each page whose content is not there yet, in chunks, and a recipe of the rest. What
 * an earlier image, or one that was not finished, has left there is used again.
 */
export class ImageWriter implements StreamSink {
  readonly #files: ImageFiles;
  readonly #places = new PagePlaces();
  readonly #chunks: Chunk[] = [];
  readonly #recipe: RecipeWriter;
  readonly #parts: (WrittenFile | undefined)[] = [];
  readonly #parser = new StreamParser(this);
  readonly #digest = createHash('sha256');
  readonly #writing = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #blocks: readonly RamBlock[] = [];
  #pack = Buffer.allocUnsafe(chunkPages * pageBytes);
  #packHashes = Buffer.allocUnsafe(chunkPages * hashBytes);
  #packed = 0;
  /** Places below were there before. */
  #known = 0;
  #streamBytes = 0;
  #writtenBytes = 0;
  readonly #pages = { zero: 0, reused: 0, repeated: 0, written: 0 };

  constructor(files: ImageFiles) {
    this.#files = files;
    this.#recipe = new RecipeWriter((part) => {
      const at = this.#parts.push(undefined) - 1;
      this.#write(async () => {
        this.#parts[at] = await files.writeRecipe(part);
        this.#writtenBytes += this.#parts[at].bytes;
      });
    });
  }

  get statistics(): WriteStatistics {
    return {
      streamBytes: this.#streamBytes,
      writtenBytes: this.#writtenBytes,
      pages: { ...this.#pages },
    };
  }

  /** Before the stream: what is there already. */
  know(file: WrittenFile, hashes: Buffer): void {
    const first = this.#places.count;
    const pages = hashes.length / hashBytes;
    for (let page = 0; page < pages; page += 1)
      this.#places.add(hashes.subarray(page * hashBytes, (page + 1) * hashBytes));
    this.#chunks.push({ first, pages, used: false, written: file });
    this.#known = this.#places.count;
  }

  /** Takes the stream to its end. Throws what kept a file from being written. */
  async take(stream: AsyncIterable<Buffer>): Promise<void> {
    for await (const bytes of stream) {
      this.#digest.update(bytes);
      this.#streamBytes += bytes.length;
      this.#parser.push(bytes);
      await this.#belowLimit(writesAtOnce);
    }
  }

  /** After the stream: all of it is in durable files on return. */
  async finish(): Promise<Omit<ImageHead, 'machine'>> {
    this.#parser.flush();
    this.#recipe.end();
    this.#flushPack();
    await this.#belowLimit(1);
    const chunks = this.#chunks.flatMap(({ first, pages, used, written }) =>
      used && written !== undefined ? [{ ...written, first, pages }] : [],
    );
    return {
      format: 1,
      stream: { bytes: this.#streamBytes, digest: this.#digest.digest('hex') },
      blocks: this.#blocks.map((block) => ({ ...block })),
      recipe: this.#parts.filter((part) => part !== undefined),
      chunks,
    };
  }

  blocks(list: readonly RamBlock[]): void {
    this.#blocks = list;
  }

  literal(bytes: Uint8Array): void {
    this.#recipe.literal(bytes);
  }

  unknownPage(): void {
    // Its bytes are among the literals.
  }

  zeroPage(at: PageAddress, named: boolean): void {
    this.#pages.zero += 1;
    this.#recipe.zero({ ...at, named });
  }

  dataPage(at: PageAddress, named: boolean, content: Uint8Array): void {
    const digest = hash('sha256', content, 'buffer');
    const known = this.#places.find(digest);
    const place = known ?? this.#pagePlaced(digest, content);
    if (known !== undefined) this.#pages[known < this.#known ? 'reused' : 'repeated'] += 1;
    this.#use(place);
    this.#recipe.page({ ...at, named }, place);
  }

  #pagePlaced(digest: Buffer, content: Uint8Array): number {
    const place = this.#places.add(digest);
    this.#pack.set(content, this.#packed * pageBytes);
    this.#packHashes.set(digest, this.#packed * hashBytes);
    this.#packed += 1;
    this.#pages.written += 1;
    if (this.#packed === chunkPages) this.#flushPack();
    return place;
  }

  #flushPack(): void {
    if (this.#packed === 0) return;
    const first = this.#places.count - this.#packed;
    const chunk: Chunk = { first, pages: this.#packed, used: true, written: undefined };
    this.#chunks.push(chunk);
    const pages = this.#pack.subarray(0, this.#packed * pageBytes);
    const hashes = this.#packHashes.subarray(0, this.#packed * hashBytes);
    this.#pack = Buffer.allocUnsafe(chunkPages * pageBytes);
    this.#packHashes = Buffer.allocUnsafe(chunkPages * hashBytes);
    this.#packed = 0;
    this.#write(async () => {
      chunk.written = await this.#files.writeChunk(hashes, pages);
      this.#writtenBytes += chunk.written.bytes;
    });
  }

  /** The chunk that has this place will be a part of the image. */
  #use(place: number): void {
    if (place >= this.#known) return;
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#chunks[middle]?.first ?? 0) <= place) low = middle;
      else high = middle - 1;
    }
    const chunk = this.#chunks[low];
    if (chunk !== undefined) chunk.used = true;
  }

  #write(work: () => Promise<void>): void {
    const writing = work()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  async #belowLimit(limit: number): Promise<void> {
    while (this.#writing.size >= limit) await Promise.race(this.#writing);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
