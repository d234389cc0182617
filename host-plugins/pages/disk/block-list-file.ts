import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileDurably } from '../../system/process/write-file-durably.ts';
import {
  decodeHeader,
  decodeList,
  digestOf,
  encodeHeader,
  encodeList,
  hashBytes,
  type PageList,
  PageListBuilder,
  parseHeader,
} from '../page-list.ts';
import { ImageIdentity } from './image-identity.ts';

/** In front of the list. */
const ListFileHeader = z.strictObject({
  image: ImageIdentity,
  digest: z.string(),
  blocks: z.int(),
});

export interface BlockListFacts {
  readonly image: ImageIdentity;
  readonly digest: string;
  /** Those that are not of zeros; each takes 36 bytes. */
  readonly blocks: number;
}

const sumBytes = 32;

/** Undefined where there is none, or it is damaged: it is made anew. */
export async function readBlockList(
  path: string,
): Promise<{ facts: BlockListFacts; list: PageList } | undefined> {
  try {
    const bytes = await readFile(path);
    const content = bytes.subarray(0, -sumBytes);
    if (!createHash('sha256').update(content).digest().equals(bytes.subarray(-sumBytes))) return undefined;
    const { value, rest } = decodeHeader(content);
    return { facts: parseHeader(ListFileHeader, value), list: decodeList(rest).list };
  } catch {
    return undefined;
  }
}

/** On return it is durable, and the beginning that it was made from is gone. */
export async function writeBlockList(path: string, image: ImageIdentity, list: PageList): Promise<void> {
  const facts = { image, digest: digestOf(list).toString('hex'), blocks: list.indices.length };
  const content = Buffer.concat([...encodeHeader(facts), ...encodeList(list)]);
  const sum = createHash('sha256').update(content).digest();
  await writeFileDurably(path, Buffer.concat([content, sum]));
  await rm(beginningOf(path), { force: true });
}

/** Bytes of a block's number and hash. */
const recordBytes = 4 + hashBytes;
const beginningOf = (path: string) => `${path}.begun`;

/**
 * The list while it is made: what is known already is appended to a file, so that a wdockd that ends goes on there the next
 * time. What of it was lost or damaged is read again, or makes a list that nobody else has. It blocks.
 */
export class BegunBlockList implements Disposable {
  readonly #builder = new PageListBuilder();
  readonly #file: number;
  /** Blocks before this one are known. */
  readonly next: number;

  private constructor(file: number, next: number, blocks: number, records: Buffer, bytes: number) {
    this.#file = file;
    this.next = next;
    this.#builder.block('disk', bytes);
    for (let at = 0; at < blocks * recordBytes; at += recordBytes)
      this.#builder.add(records.readUInt32LE(at), records, at + 4);
  }

  /** @param bytes of the disk, whole blocks */
  static open(path: string, image: ImageIdentity, bytes: number): BegunBlockList {
    const begun = beginningOf(path);
    const header = Buffer.concat(encodeHeader(image));
    const before = readOrNothing(begun);
    const goesOn = before.subarray(0, header.length).equals(header);
    if (!goesOn) rmSync(begun, { force: true });
    const records = goesOn ? before.subarray(header.length) : Buffer.alloc(0);
    const { blocks, next } = countInOrder(records, bytes / 4096);
    const file = openSync(begun, 'a', 0o600);
    if (goesOn) ftruncateSync(file, header.length + blocks * recordBytes);
    else writeSync(file, header);
    return new BegunBlockList(file, next, blocks, records, bytes);
  }

  /** Records of blocks in ascending order, behind those that are known. */
  append(blocks: readonly { readonly index: number; readonly hash: Buffer }[]): void {
    const records = Buffer.alloc(blocks.length * recordBytes);
    blocks.forEach(({ index, hash }, number) => {
      records.writeUInt32LE(index, number * recordBytes);
      hash.copy(records, number * recordBytes + 4);
      this.#builder.add(index, hash);
    });
    for (let done = 0; done < records.length; ) done += writeSync(this.#file, records, done);
  }

  list(): PageList {
    return this.#builder.build();
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** A power cut may leave anything behind the last record that was whole. */
function countInOrder(records: Buffer, limit: number): { blocks: number; next: number } {
  let blocks = 0;
  let next = 0;
  while ((blocks + 1) * recordBytes <= records.length) {
    const index = records.readUInt32LE(blocks * recordBytes);
    if (index < next || index >= limit) break;
    next = index + 1;
    blocks += 1;
  }
  return { blocks, next };
}

function readOrNothing(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
