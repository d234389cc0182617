import { pageBytes } from '../page-list.ts';
import { isBlockName, nameOfBytes, type RamBlock } from './stream-item.ts';

/** What the next bytes of a stream are. A page's content is the last 4096 bytes of its item. */
export type Item =
  | { readonly kind: 'literal' }
  | { readonly kind: 'zero' | 'page'; block: number; page: number; named: boolean };

/** migration/savevm.h of QEMU: the first byte of each section. */
const section = {
  end: 0x00,
  start: 0x01,
  part: 0x02,
  last: 0x03,
  full: 0x04,
  subsection: 0x05,
  configuration: 0x07,
  command: 0x08,
  footer: 0x7e,
} as const;

/** Commands that change nothing of how the stream goes on: OPEN_RETURN_PATH, PING, SWITCHOVER_START. */
const plainCommands = new Map([
  [1, 0],
  [2, 4],
  [11, 0],
]);

/** migration/ram.c: the low bits of a record's first word. */
const flag = { zero: 0x02, memorySize: 0x04, page: 0x08, end: 0x10, continues: 0x20, flush: 0x200 } as const;
const flagMask = pageBytes - 1;

const fileHead = [0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3];
const ramVersion = 4;
const maxBlocks = 128;

/** No item is longer, bytes: whoever holds so many can always go on. */
export const maxItemBytes = 9 + 255 + pageBytes;

type State =
  | 'file-head'
  | 'first-section'
  | 'after-configuration'
  | 'section'
  | 'block-list'
  | 'records'
  | 'footer'
  /** A section whose length only its device knows: over where a footer is followed by another section. */
  | 'device'
  /** Not understood, or of no interest any more. */
  | 'rest';

const literal: Item = { kind: 'literal' };

/**
 * The grammar of QEMU's precopy stream (version 3, `ram` version 4), strict: what does not fit makes all that follows
 * one long literal. It decides nothing about the bytes that arrive, only how well they can be told apart: whoever
 * takes a screen full of pixels for a page sends exactly these pixels.
 */
export class StreamGrammar {
  blocks: readonly RamBlock[] = [];
  /** Of the last `step` that consumed something; used again by the next one. */
  item: Item = literal;
  #state: State = 'file-head';
  #ramId = -1;
  #sectionId = -1;
  #ending = false;
  #current = -1;
  #names: Buffer[] = [];
  #listed: RamBlock[] = [];
  #unlisted = 0;
  readonly #page = { kind: 'page' as 'zero' | 'page', block: 0, page: 0, named: false };

  get understands(): boolean {
    return this.#state !== 'rest';
  }

  /** Whether records of pages come: where they stop within one, the rest of it is on its way. */
  get isWithinRecords(): boolean {
    return this.#state === 'records';
  }

  /** How long the next item is, bytes; 0 when more than `end - at` bytes are needed to say. */
  step(bytes: Buffer, at: number, end: number): number {
    this.item = literal;
    const length = end - at;
    if (length === 0) return 0;
    switch (this.#state) {
      case 'records':
        return this.#record(bytes, at, length);
      case 'file-head':
        return this.#fileHead(bytes, at, length);
      case 'first-section':
        this.#state = 'section';
        return bytes[at] === section.configuration
          ? this.#configuration(bytes, at, length)
          : this.step(bytes, at, end);
      case 'after-configuration':
        this.#state = 'section';
        return bytes[at] === section.subsection
          ? this.#subsection(bytes, at, length)
          : this.step(bytes, at, end);
      case 'section':
        return this.#section(bytes, at, length);
      case 'block-list':
        return this.#listBlock(bytes, at, length);
      case 'footer':
        return this.#footer(bytes, at, length);
      case 'device':
        return this.#device(bytes, at, end);
      case 'rest':
        return length;
    }
  }

  #giveUp(length: number): number {
    this.#state = 'rest';
    return length;
  }

  #fileHead(bytes: Buffer, at: number, length: number): number {
    const known = Math.min(length, fileHead.length);
    for (let i = 0; i < known; i++) if (bytes[at + i] !== fileHead[i]) return this.#giveUp(length);
    if (known < fileHead.length) return 0;
    this.#state = 'first-section';
    return known;
  }

  /** The machine's type, with its length before it. */
  #configuration(bytes: Buffer, at: number, length: number): number {
    const known = length >= 5 ? 5 + bytes.readUInt32BE(at + 1) : 5;
    if (known > 5 + 255) return this.#giveUp(length);
    if (length < known) {
      this.#state = 'first-section';
      return 0;
    }
    this.#state = 'after-configuration';
    return known;
  }

  /** Of the configuration only a UUID may follow; others say that the pages are not sent the ordinary way. */
  #subsection(bytes: Buffer, at: number, length: number): number {
    this.#state = 'after-configuration';
    const nameLength = length >= 2 ? (bytes[at + 1] ?? 0) : 0;
    const known = 2 + nameLength + 4 + 16;
    if (length < 2 || length < known) return 0;
    const name = nameOfBytes(bytes.subarray(at + 2, at + 2 + nameLength));
    return name === 'configuration/uuid' ? known : this.#giveUp(length);
  }

  #section(bytes: Buffer, at: number, length: number): number {
    const kind = bytes[at];
    if (kind === section.part || kind === section.last) {
      if (length < 5) return 0;
      this.#sectionId = bytes.readUInt32BE(at + 1);
      if (this.#sectionId !== this.#ramId) this.#state = 'device';
      else {
        this.#ending = kind === section.last;
        this.#state = 'records';
      }
      return 5;
    }
    if (kind === section.start || kind === section.full) return this.#sectionHead(bytes, at, length);
    if (kind !== section.command) return this.#giveUp(length);
    if (length < 5) return 0;
    const dataLength = bytes.readUInt16BE(at + 3);
    if (plainCommands.get(bytes.readUInt16BE(at + 1)) !== dataLength) return this.#giveUp(length);
    return length < 5 + dataLength ? 0 : 5 + dataLength;
  }

  #sectionHead(bytes: Buffer, at: number, length: number): number {
    const known = headLength(bytes, at, length);
    if (known === undefined) return this.#giveUp(length);
    if (length < known) return 0;
    const name = nameOfBytes(bytes.subarray(at + 6, at + known - 8));
    this.#sectionId = bytes.readUInt32BE(at + 1);
    this.#state = 'device';
    if (bytes[at] !== section.start || name !== 'ram') return known;
    const isPlain =
      bytes.readUInt32BE(at + known - 8) === 0 && bytes.readUInt32BE(at + known - 4) === ramVersion;
    if (!isPlain || this.#ramId !== -1) return this.#giveUp(length);
    this.#ramId = this.#sectionId;
    this.#state = 'block-list';
    return known;
  }

  #listBlock(bytes: Buffer, at: number, length: number): number {
    if (length < 8) return 0;
    if (this.#listed.length === 0 && this.#unlisted === 0) {
      const low = bytes.readUInt32BE(at + 4);
      if ((low & flagMask) !== flag.memorySize) return this.#giveUp(length);
      this.#unlisted = bytes.readUInt32BE(at) * 2 ** 32 + (low - flag.memorySize);
      return this.#unlisted > 0 && Number.isSafeInteger(this.#unlisted) ? 8 : this.#giveUp(length);
    }
    if (this.#unlisted === 0) {
      // Where the list is longer than the memory, each block has more to it than we know of.
      const next = bytes.readUInt32BE(at + 4);
      if (bytes.readUInt32BE(at) !== 0 || (next !== flag.end && next !== flag.flush))
        return this.#giveUp(length);
      this.blocks = this.#listed;
      this.#names = this.#listed.map(({ name }) => Buffer.from(name, 'latin1'));
      this.#state = 'records';
      return this.step(bytes, at, at + length);
    }
    const nameLength = bytes[at] ?? 0;
    const known = 1 + nameLength + 8;
    if (length < known) return 0;
    const name = bytes.subarray(at + 1, at + 1 + nameLength);
    const size = bytes.readUInt32BE(at + 1 + nameLength) * 2 ** 32 + bytes.readUInt32BE(at + 5 + nameLength);
    const isKnown =
      isBlockName(name) &&
      size > 0 &&
      size % pageBytes === 0 &&
      size <= this.#unlisted &&
      this.#listed.length < maxBlocks;
    if (!isKnown) return this.#giveUp(length);
    this.#listed.push({ name: nameOfBytes(name), bytes: size });
    this.#unlisted -= size;
    return known;
  }

  #record(bytes: Buffer, at: number, length: number): number {
    if (length < 8) return 0;
    const high = bytes.readUInt32BE(at);
    const low = bytes.readUInt32BE(at + 4);
    const flags = low & flagMask;
    const kind = flags & ~flag.continues;
    if (kind === flag.page || kind === flag.zero) {
      const page = high * 2 ** 20 + (low >>> 12);
      return this.#pageRecord(bytes, at, length, kind === flag.page, (flags & flag.continues) === 0, page);
    }
    if (high !== 0 || (low !== flag.end && low !== flag.flush)) return this.#giveUp(length);
    if (low === flag.end) {
      this.#state = 'footer';
      this.#sectionId = this.#ramId;
    }
    return 8;
  }

  #pageRecord(
    bytes: Buffer,
    at: number,
    length: number,
    isData: boolean,
    named: boolean,
    page: number,
  ): number {
    let head = 8;
    if (named) {
      if (length < 9) return 0;
      const nameLength = bytes[at + 8] ?? 0;
      head = 9 + nameLength;
      if (length < head) return 0;
      const block = this.#names.findIndex(
        (name) => name.length === nameLength && bytes.compare(name, 0, nameLength, at + 9, at + head) === 0,
      );
      if (block === -1) return this.#giveUp(length);
      this.#current = block;
    }
    const block = this.blocks[this.#current];
    if (block === undefined || page >= block.bytes / pageBytes) return this.#giveUp(length);
    const known = head + (isData ? pageBytes : 1);
    if (length < known) return 0;
    if (!isData && bytes[at + head] !== 0) return this.#giveUp(length);
    this.#page.kind = isData ? 'page' : 'zero';
    this.#page.block = this.#current;
    this.#page.page = page;
    this.#page.named = named;
    this.item = this.#page;
    return known;
  }

  #footer(bytes: Buffer, at: number, length: number): number {
    if (bytes[at] !== section.footer) return this.#giveUp(length);
    if (length < 5) return 0;
    if (bytes.readUInt32BE(at + 1) !== this.#sectionId) return this.#giveUp(length);
    // After the last of the memory come devices, and no page any more.
    this.#state = this.#ending ? 'rest' : 'section';
    return 5;
  }

  #device(bytes: Buffer, at: number, end: number): number {
    const mark = bytes.indexOf(section.footer, at);
    if (mark === -1 || mark >= end) return end - at;
    if (mark > at) return mark - at;
    const length = end - at;
    if (length < 5) return this.#isFooterSoFar(bytes, at, length) ? 0 : 1;
    if (bytes.readUInt32BE(at + 1) !== this.#sectionId) return 1;
    const next = this.#isSection(bytes, at + 5, length - 5);
    if (next === undefined) return 0;
    if (!next) return 1;
    this.#state = 'section';
    return 5;
  }

  #isFooterSoFar(bytes: Buffer, at: number, length: number): boolean {
    for (let i = 1; i < length; i++)
      if (bytes[at + i] !== ((this.#sectionId >>> (32 - 8 * i)) & 0xff)) return false;
    return true;
  }

  /** Undefined: it takes more bytes to tell. */
  #isSection(bytes: Buffer, at: number, length: number): boolean | undefined {
    if (length === 0) return undefined;
    const kind = bytes[at];
    if (kind === section.part || kind === section.last) {
      return length < 5 ? undefined : bytes.readUInt32BE(at + 1) === this.#ramId;
    }
    if (kind !== section.start && kind !== section.full) return false;
    const known = headLength(bytes, at, length);
    if (known === undefined) return false;
    return length < known ? undefined : true;
  }
}

/** Of a section that names itself, at least; undefined where it is none. */
function headLength(bytes: Buffer, at: number, length: number): number | undefined {
  if (length < 6) return 14 + 1;
  const nameLength = bytes[at + 5] ?? 0;
  const name = bytes.subarray(at + 6, Math.min(at + 6 + nameLength, at + length));
  if (nameLength === 0 || (name.length > 0 && !isBlockName(name))) return undefined;
  return 6 + nameLength + 8;
}
