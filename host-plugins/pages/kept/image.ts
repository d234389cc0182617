import { z } from 'zod';
import {
  bytesOf,
  decodeHeader,
  decodeList,
  digestOf,
  encodeHeader,
  encodeList,
  faulty,
  hashBytes,
  listLength,
  type PageList,
  parseHeader,
  wordsOf,
} from '../page-list.ts';

/** Pages that are compressed and sealed together, at most: one page of them costs the reading of all. */
export const chunkPages = 256;

/**
 * What an image is good for. `kept`: what was in the VM's memory when the hand-over of this epoch gave it to `peer`. `warm`:
 * what `peer` has sent ahead, under a number that grows.
 */
export const ImageSeal = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('kept'), epoch: z.int().min(0), peer: z.string() }),
  z.strictObject({ kind: z.literal('warm'), number: z.int().min(0), peer: z.string() }),
]);
export type ImageSeal = z.infer<typeof ImageSeal>;

const ImageHeader = z.strictObject({
  format: z.literal(1),
  seal: ImageSeal,
  /** When it was kept, ms since 1970. */
  at: z.number(),
  /** Of the list; a device that has the same list knows it by this. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  chunks: z.int().min(0),
});

/** Chunks are files of the same folder, by number here. */
export interface Chunks {
  readonly count: number;
  /** Of each: its name, 32 bytes. */
  readonly names: Uint8Array;
  /** Of each: how long its file is. */
  readonly bytes: Uint32Array;
  /** Of each: how many pages are in it. */
  readonly pages: Uint32Array;
}

/** The image of a VM's memory, without the pages themselves: which there are, and in which chunk each is. */
export interface Image {
  readonly seal: ImageSeal;
  readonly at: number;
  readonly digest: string;
  readonly list: PageList;
  /** Of each page: the number of its chunk; `nowhere` when it could not be kept. */
  readonly chunkOf: Uint32Array;
  /** Of each page: its place in its chunk. */
  readonly slotOf: Uint8Array;
  readonly chunks: Chunks;
}

export const nowhere = 0xffff_ffff;

export function digestText(list: PageList): string {
  return digestOf(list).toString('hex');
}

export function encodeImage(image: Image): Buffer[] {
  const { seal, at, digest, list, chunkOf, slotOf, chunks } = image;
  return [
    ...encodeHeader({ format: 1, seal, at, digest, chunks: chunks.count }),
    ...encodeList(list),
    bytesOf(chunkOf),
    bytesOf(slotOf),
    bytesOf(chunks.names),
    bytesOf(chunks.bytes),
    bytesOf(chunks.pages),
  ];
}

/** Throws `protocol` for what `encodeImage` does not write. */
export function decodeImage(bytes: Buffer): Image {
  const { value, rest } = decodeHeader(bytes);
  const { seal, at, digest, chunks: count } = parseHeader(ImageHeader, value);
  const { list, rest: places } = decodeList(rest);
  if (digestText(list) !== digest) throw faulty('its digest is that of another list');
  const take = taker(places);
  const length = listLength(list);
  const chunkOf = wordsOf(take(length * 4));
  const slotOf = new Uint8Array(take(length));
  const chunks = {
    count,
    names: new Uint8Array(take(count * hashBytes)),
    bytes: wordsOf(take(count * 4)),
    pages: wordsOf(take(count * 4)),
  };
  if (take(undefined).length > 0) throw faulty('something follows it');
  chunkOf.forEach((chunk, page) => {
    const inside = (slotOf[page] ?? 0) < (chunks.pages[chunk] ?? 0);
    if (chunk !== nowhere && !inside) throw faulty(`page ${page} is in no chunk`);
  });
  return { seal, at, digest, list, chunkOf, slotOf, chunks };
}

function taker(bytes: Buffer): (length: number | undefined) => Buffer {
  let at = 0;
  return (length = bytes.length - at) => {
    const part = bytes.subarray(at, at + length);
    if (part.length < length) throw faulty('it ends too early');
    at += length;
    return part;
  };
}

export function chunkName({ names }: Chunks, chunk: number): string {
  return bytesOf(names.subarray(chunk * hashBytes, (chunk + 1) * hashBytes)).toString('hex');
}

/** Bytes of the chunks' files. */
export function chunkBytesOf({ bytes }: Chunks): number {
  return bytes.reduce((sum, each) => sum + each, 0);
}
