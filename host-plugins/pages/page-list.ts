import { createHash } from 'node:crypto';
import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';

export const pageBytes = 4096;
export const hashBytes = 32;

/** A block of a machine's memory, as QEMU calls it, and how many of its pages are in the list. */
const ListedBlock = z.strictObject({
  name: z.string().min(1).max(255),
  bytes: z.int().min(0),
  pages: z.int().min(0),
});
type ListedBlock = z.infer<typeof ListedBlock>;

const ListHeader = z.strictObject({ format: z.literal(1), blocks: z.array(ListedBlock).max(256) });

/**
 * Pages by their content, in an order that two devices agree on: block after block, and in each by address. Pages of zeros
 * are left out. It takes 36 bytes a page.
 */
export interface PageList {
  readonly blocks: readonly ListedBlock[];
  /** Of each page: its place in its block. */
  readonly indices: Uint32Array;
  /** Of each page: SHA-256. */
  readonly hashes: Uint8Array<SharedArrayBuffer>;
}

export function listLength({ indices }: PageList): number {
  return indices.length;
}

/** Of the whole list; two devices with the same digest have the same list. */
export function digestOf({ blocks, indices, hashes }: PageList): Buffer {
  const hash = createHash('sha256').update('wireless-dock page list 1\n').update(JSON.stringify(blocks));
  return hash.update('\n').update(bytesOf(indices)).update(hashes).digest();
}

/** Grows as pages are added, and gives the list. */
export class PageListBuilder {
  readonly #blocks: { name: string; bytes: number; pages: number }[] = [];
  #indices = new Uint32Array(1024);
  #hashes = new Uint8Array(new SharedArrayBuffer(1024 * hashBytes));
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Of the pages that follow. */
  block(name: string, bytes: number): void {
    this.#blocks.push({ name, bytes, pages: 0 });
  }

  /** @param hash the first 32 bytes at `offset` count */
  add(index: number, hash: Uint8Array, offset = 0): void {
    const block = this.#blocks.at(-1);
    if (block === undefined) throw new DockError('internal', 'a page needs a block');
    if (this.#length === this.#indices.length) this.#grow();
    this.#indices[this.#length] = index;
    this.#hashes.set(hash.subarray(offset, offset + hashBytes), this.#length * hashBytes);
    this.#length += 1;
    block.pages += 1;
  }

  build(): PageList {
    const hashes = new Uint8Array(new SharedArrayBuffer(this.#length * hashBytes));
    hashes.set(this.#hashes.subarray(0, hashes.length));
    return {
      blocks: this.#blocks.map((block) => ({ ...block })),
      indices: this.#indices.slice(0, this.#length),
      hashes,
    };
  }

  #grow(): void {
    const indices = new Uint32Array(this.#indices.length * 2);
    indices.set(this.#indices);
    const hashes = new Uint8Array(new SharedArrayBuffer(this.#hashes.length * 2));
    hashes.set(this.#hashes);
    this.#indices = indices;
    this.#hashes = hashes;
  }
}

/** To be sealed: it tells what is in the memory. */
export function encodeList({ blocks, indices, hashes }: PageList): Buffer[] {
  return [...encodeHeader({ format: 1, blocks }), bytesOf(indices), Buffer.from(hashes.buffer)];
}

/** The list and what follows it. Throws `protocol` for what `encodeList` does not write. */
export function decodeList(bytes: Buffer): { list: PageList; rest: Buffer } {
  const { value, rest } = decodeHeader(bytes);
  const { blocks } = parseHeader(ListHeader, value);
  const pages = blocks.reduce((sum, block) => sum + block.pages, 0);
  const hashesAt = pages * 4;
  const end = hashesAt + pages * hashBytes;
  if (rest.length < end) throw faulty('it ends too early');
  const indices = wordsOf(rest.subarray(0, hashesAt));
  checkIndices(blocks, indices);
  const hashes = new Uint8Array(new SharedArrayBuffer(pages * hashBytes));
  hashes.set(rest.subarray(hashesAt, end));
  return { list: { blocks, indices, hashes }, rest: rest.subarray(end) };
}

function checkIndices(blocks: readonly ListedBlock[], indices: Uint32Array): void {
  let at = 0;
  for (const { name, bytes, pages } of blocks) {
    let last = -1;
    for (const end = at + pages; at < end; at += 1) {
      const index = indices[at] ?? 0;
      if (index <= last || index >= bytes / pageBytes)
        throw faulty(`page ${index} of ${name} is out of order`);
      last = index;
    }
  }
}

/** A JSON value with its length before it. */
export function encodeHeader(value: unknown): Buffer[] {
  const text = Buffer.from(JSON.stringify(value));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return [length, text];
}

export function decodeHeader(bytes: Buffer): { value: unknown; rest: Buffer } {
  if (bytes.length < 4) throw faulty('it ends too early');
  const end = 4 + bytes.readUInt32LE(0);
  if (bytes.length < end) throw faulty('it ends too early');
  try {
    return { value: JSON.parse(bytes.toString('utf8', 4, end)), rest: bytes.subarray(end) };
  } catch (cause) {
    throw faulty('its head is no JSON', cause);
  }
}

export function parseHeader<T extends z.ZodType>(shape: T, value: unknown): z.output<T> {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  throw faulty(z.prettifyError(parsed.error), parsed.error);
}

export function faulty(why: string, cause?: unknown): DockError {
  return new DockError('protocol', `this is no list of pages: ${why}`, { cause });
}

export function bytesOf({ buffer, byteOffset, byteLength }: NodeJS.TypedArray): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** A copy: what was read is not aligned. */
export function wordsOf(bytes: Buffer): Uint32Array {
  const words = new Uint32Array(bytes.length / 4);
  bytesOf(words).set(bytes);
  return words;
}
