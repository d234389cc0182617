import { hash } from 'node:crypto';
import { hashBytes, pageBytes } from '../page-list.ts';
import { warmList } from '../warm/warm-list.ts';
import { ChunkPacker, type DiskBudget } from './chunk-packer.ts';
import { digestText, type Image, type ImageSeal } from './image.ts';
import type { ImageFolder } from './image-folder.ts';
import { imageBytes, readOldImage } from './image-writer.ts';

/**
 * An image that grows by pages as they come, behind those that it has: whatever has come when it ends, its list is a
 * beginning of what was sent. For a worker: it blocks.
 */
export class ImageAppender {
  readonly #folder: ImageFolder;
  readonly #packer: ChunkPacker;
  readonly #hashes: Buffer[] = [];
  readonly #chunkOf: number[] = [];
  readonly #slotOf: number[] = [];

  private constructor(folder: ImageFolder, packer: ChunkPacker) {
    this.#folder = folder;
    this.#packer = packer;
  }

  /** @param known as many pages of the image that is there are gone on from; with none, or another number, it begins anew */
  static begin(
    folder: ImageFolder,
    key: Buffer,
    known: number,
    budget: DiskBudget,
  ): ImageAppender | undefined {
    folder.make();
    const old = readOldImage(folder);
    folder.sweep(old);
    const appender = new ImageAppender(folder, new ChunkPacker(folder, key, budget));
    if (known === 0) return appender;
    if (old === undefined || old.list.indices.length !== known) return undefined;
    appender.#takeOver(old);
    return appender;
  }

  get pages(): number {
    return this.#hashes.length;
  }

  append(pages: Buffer): void {
    for (let at = 0; at + pageBytes <= pages.length; at += pageBytes) {
      const page = pages.subarray(at, at + pageBytes);
      const sum = hash('sha256', page, 'buffer');
      const { chunk, slot } = this.#packer.add(sum, page);
      this.#hashes.push(sum);
      this.#chunkOf.push(chunk);
      this.#slotOf.push(slot);
    }
  }

  /** On return it is durable. */
  end(seal: ImageSeal, at: number): Image {
    this.#packer.flush();
    const list = warmList(Buffer.concat(this.#hashes));
    const chunks = this.#packer.chunks();
    this.#packer.requireRoom(imageBytes(chunks.count, this.pages));
    const chunkOf = Uint32Array.from(this.#chunkOf);
    const slotOf = Uint8Array.from(this.#slotOf);
    const image: Image = { seal, at, digest: digestText(list), list, chunkOf, slotOf, chunks };
    this.#folder.writeImage(image);
    return image;
  }

  #takeOver({ list, chunkOf, slotOf, chunks }: Image): void {
    for (let chunk = 0; chunk < chunks.count; chunk += 1) this.#packer.adopt(chunks, chunk);
    list.indices.forEach((_, page) => {
      this.#hashes.push(Buffer.from(list.hashes.slice(page * hashBytes, (page + 1) * hashBytes)));
      this.#chunkOf.push(chunkOf[page] ?? 0);
      this.#slotOf.push(slotOf[page] ?? 0);
    });
  }
}
