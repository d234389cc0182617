/** A part of the guest's memory under the name that QEMU gives it in the stream. */
export interface RamBlock {
  readonly name: string;
  readonly bytes: number;
}

/** A page is named by its block's place in the stream's list of blocks, and its number within the block. */
export interface PageAddress {
  readonly block: number;
  readonly page: number;
}

/**
 * Where a stream goes, cut into what is a page and what is not: the bytes of all calls, one after the other, are the
 * stream. Views are valid during the call only.
 */
export interface StreamSink {
  /** The list of blocks has been seen; its own bytes come as literals. At most once, before any page. */
  blocks(list: readonly RamBlock[]): void;
  literal(bytes: Uint8Array): void;
  /** A record for a page of zeros. `named`: with the block's name, where others say "the same block as before". */
  zeroPage(at: PageAddress, named: boolean): void;
  dataPage(at: PageAddress, named: boolean, content: Uint8Array): void;
  /** This page was sent in a way that shows neither its content nor where its record begins: among the literals. */
  unknownPage(at: PageAddress): void;
}

const nameLimitBytes = 255;

/** The bytes before a page's content, or before a page of zeros' last byte. `name`: where the block is named. */
export function recordHeadBytes(name?: Uint8Array): number {
  return name === undefined ? 8 : 9 + name.length;
}

const flags = { zero: 0x02, page: 0x08, continues: 0x20 } as const;

/** Writes what `recordHeadBytes` counts, and returns where it ends. */
export function writeRecordHead(
  target: Buffer,
  start: number,
  kind: 'zero' | 'page',
  page: number,
  name: Uint8Array | undefined,
): number {
  const flag = flags[kind] | (name === undefined ? flags.continues : 0);
  target.writeUInt32BE(Math.floor(page / 0x10_0000), start);
  target.writeUInt32BE((((page % 0x10_0000) << 12) | flag) >>> 0, start + 4);
  if (name === undefined) return start + 8;
  target[start + 8] = name.length;
  target.set(name, start + 9);
  return start + 9 + name.length;
}

/** Names go through latin1, which keeps every byte as it is. */
export function nameOfBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function bytesOfName(name: string): Buffer {
  return Buffer.from(name, 'latin1');
}

export function isBlockName(bytes: Uint8Array): boolean {
  return (
    bytes.length > 0 && bytes.length <= nameLimitBytes && bytes.every((byte) => byte > 0x20 && byte < 0x7f)
  );
}
