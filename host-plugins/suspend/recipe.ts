import { DockError } from '../../protocol/dock-error.ts';
import { pageBytes } from '../pages/page-list.ts';
import { bytesOfName, type RamBlock, writeRecordHead } from '../pages/stream/stream-item.ts';

/**
 * How to make QEMU's stream again, piece by piece: bytes as they were, records of pages of zeros, and records of pages
 * whose content is in the chunks. Numbers are varints; a page's number and the place of its content are told as their
 * distance to those before, so that what lies in a row costs three bytes, and next to nothing once it is compressed.
 */
const operation = { literal: 0, zero: 1, page: 2 } as const;
/** Added to `zero` and `page` where the record names its block. */
const named = 4;

/** A part of a recipe is not longer by much, bytes; each can be read without holding the others. */
const partBytes = 4 * 1024 * 1024;
const longestLiteral = 1024 * 1024;
export const longestPart = partBytes + longestLiteral + 64;

/** A record's word, its block's name, and the length of that. */
const longestHead = 8 + 1 + 255;

export interface PageRecord {
  readonly block: number;
  readonly page: number;
  readonly named: boolean;
}

/** Carried from one operation to the next, and from part to part. */
interface Before {
  block: number;
  page: number;
  place: number;
}

const atStart = (): Before => ({ block: 0, page: 0, place: 0 });

export class RecipeWriter {
  readonly #onPart: (part: Buffer) => void;
  readonly #before = atStart();
  readonly #bytes = Buffer.allocUnsafe(longestPart);
  #length = 0;
  /** Literals that follow each other become one. */
  #literal: Buffer[] = [];
  #literalBytes = 0;

  constructor(onPart: (part: Buffer) => void) {
    this.#onPart = onPart;
  }

  literal(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const taken = bytes.subarray(at, at + longestLiteral - this.#literalBytes);
      this.#literal.push(Buffer.from(taken));
      this.#literalBytes += taken.length;
      at += taken.length;
      if (this.#literalBytes === longestLiteral) this.#endLiteral();
    }
  }

  zero(record: PageRecord): void {
    this.#record(operation.zero, record);
  }

  page(record: PageRecord, place: number): void {
    this.#record(operation.page, record);
    this.#distance(place - this.#before.place - 1);
    this.#before.place = place;
    this.#cut();
  }

  end(): void {
    this.#endLiteral();
    if (this.#length > 0) this.#flush();
  }

  #record(kind: number, record: PageRecord): void {
    this.#endLiteral();
    this.#number(record.named ? kind + named : kind);
    if (record.named) {
      this.#number(record.block);
      this.#before.block = record.block;
    } else if (record.block !== this.#before.block) {
      throw new DockError('internal', 'a record continues another block than the one before');
    }
    this.#distance(record.page - this.#before.page - 1);
    this.#before.page = record.page;
    if (kind === operation.zero) this.#cut();
  }

  #endLiteral(): void {
    if (this.#literalBytes === 0) return;
    this.#number(operation.literal);
    this.#number(this.#literalBytes);
    for (const bytes of this.#literal) {
      bytes.copy(this.#bytes, this.#length);
      this.#length += bytes.length;
    }
    this.#literal = [];
    this.#literalBytes = 0;
    this.#cut();
  }

  #distance(value: number): void {
    this.#number(value < 0 ? -2 * value - 1 : 2 * value);
  }

  #number(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) + 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  #cut(): void {
    if (this.#length >= partBytes) this.#flush();
  }

  #flush(): void {
    this.#onPart(Buffer.from(this.#bytes.subarray(0, this.#length)));
    this.#length = 0;
  }
}

/** Gives the content of a page by its place. */
export type FetchPage = (place: number) => Promise<Uint8Array>;

/** Makes the stream again. Throws `protocol` for what `RecipeWriter` does not write. */
export class RecipeReader {
  readonly #names: readonly { readonly name: Buffer; readonly pages: number }[];
  readonly #fetch: FetchPage;
  readonly #before = atStart();
  #part: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(blocks: readonly RamBlock[], fetch: FetchPage) {
    this.#names = blocks.map(({ name, bytes }) => ({ name: bytesOfName(name), pages: bytes / pageBytes }));
    this.#fetch = fetch;
  }

  /** What this part stands for, in pieces; each is the caller's to keep. */
  async *read(part: Buffer): AsyncGenerator<Buffer> {
    this.#part = part;
    this.#at = 0;
    while (this.#at < part.length) yield await this.#next();
  }

  async #next(): Promise<Buffer> {
    const code = this.#number();
    if (code === operation.literal) return this.#literalBytes();
    const kind = code % named;
    if (code >= 2 * named || (kind !== operation.zero && kind !== operation.page)) {
      throw damaged(`there is no operation ${code}`);
    }
    const isNamed = code >= named;
    if (isNamed) this.#before.block = this.#number();
    const block = this.#names[this.#before.block];
    const page = this.#before.page + 1 + this.#distance();
    if (block === undefined || page < 0 || page >= block.pages) throw damaged(`there is no page ${page}`);
    this.#before.page = page;
    const name = isNamed ? block.name : undefined;
    const isData = kind === operation.page;
    const record = Buffer.alloc(longestHead + (isData ? pageBytes : 1));
    const head = writeRecordHead(record, 0, isData ? 'page' : 'zero', page, name);
    if (!isData) return record.subarray(0, head + 1);
    const place = this.#before.place + 1 + this.#distance();
    this.#before.place = place;
    record.set(await this.#fetch(place), head);
    return record.subarray(0, head + pageBytes);
  }

  #literalBytes(): Buffer {
    const length = this.#number();
    const bytes = this.#part.subarray(this.#at, this.#at + length);
    if (length === 0 || bytes.length !== length) throw damaged('it ends too early');
    this.#at += length;
    return bytes;
  }

  #distance(): number {
    const value = this.#number();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  #number(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.#part[this.#at++];
      if (byte === undefined) throw damaged('it ends too early');
      value += (byte % 0x80) * factor;
      if (!Number.isSafeInteger(value)) throw damaged('a number is too large');
      if (byte < 0x80) return value;
    }
  }
}

function damaged(why: string): DockError {
  return new DockError('protocol', `this is no recipe of a machine's state: ${why}`);
}
