import { createHash } from 'node:crypto';
import { DockError } from '../../protocol/dock-error.ts';
import { pageBytes } from '../pages/page-list.ts';
import type { ImageFiles } from './image-files.ts';
import type { ImageHead } from './image-head.ts';
import { RecipeReader } from './recipe.ts';

type Content = Pick<ImageHead, 'stream' | 'blocks' | 'recipe' | 'chunks'>;

/** Chunks that stay open, a MiB each: pages are asked for in about the order in which they were written. */
const openChunks = 48;
const pieceBytes = 256 * 1024;

/**
 * Makes QEMU's stream again from its files. Whatever differs from what was written, a bit in a file or in all of it, throws
 * before the last piece is given: a QEMU that reads along has never all of a damaged machine.
 */
export async function* readStream(files: ImageFiles, content: Content): AsyncGenerator<Buffer> {
  const pages = new ChunkPages(files, content.chunks);
  const recipe = new RecipeReader(content.blocks, (place) => pages.page(place));
  const digest = createHash('sha256');
  let bytes = 0;
  let held: Buffer | undefined;
  let piece: Buffer[] = [];
  let length = 0;
  const take = (): Buffer => {
    const whole = Buffer.concat(piece, length);
    piece = [];
    length = 0;
    digest.update(whole);
    bytes += whole.length;
    return whole;
  };
  for (const { file } of content.recipe) {
    for await (const record of recipe.read(await files.readRecipe(file))) {
      piece.push(record);
      length += record.length;
      if (length < pieceBytes) continue;
      if (held !== undefined) yield held;
      held = take();
    }
  }
  const last = take();
  if (bytes !== content.stream.bytes || digest.digest('hex') !== content.stream.digest) {
    throw new DockError('untrusted', 'what is in it is not what was written');
  }
  if (held !== undefined) yield held;
  if (last.length > 0) yield last;
}

class ChunkPages {
  readonly #files: ImageFiles;
  readonly #chunks: Content['chunks'];
  /** Least recently used first. */
  readonly #open = new Map<number, Buffer>();

  constructor(files: ImageFiles, chunks: Content['chunks']) {
    this.#files = files;
    this.#chunks = [...chunks].sort((one, other) => one.first - other.first);
  }

  async page(place: number): Promise<Buffer> {
    const number = this.#chunkOf(place);
    const chunk = this.#chunks[number];
    if (chunk === undefined || place < chunk.first || place >= chunk.first + chunk.pages) {
      throw new DockError('protocol', 'a page of it is in none of its files');
    }
    const at = (place - chunk.first) * pageBytes;
    return (await this.#content(number, chunk)).subarray(at, at + pageBytes);
  }

  async #content(number: number, { file, pages }: Content['chunks'][number]): Promise<Buffer> {
    const known = this.#open.get(number);
    const content = known ?? (await this.#files.readChunk(file, pages));
    this.#open.delete(number);
    this.#open.set(number, content);
    const [oldest] = this.#open.keys();
    if (this.#open.size > openChunks && oldest !== undefined) this.#open.delete(oldest);
    return content;
  }

  /** The last chunk that does not begin after it. */
  #chunkOf(place: number): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#chunks[middle]?.first ?? 0) <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
