import { createHash } from 'node:crypto';
import { hashBytes, pageBytes } from '../page-list.ts';
import { bytesOfName, type RamBlock, recordHeadBytes, writeRecordHead } from '../stream/stream-item.ts';
import type { Operation, PageRun } from './operation.ts';
import type { PageTable } from './page-table.ts';
import type { RecentPages } from './recent-pages.ts';

/** All that one batch is made of, besides what came before it. */
export interface BatchParts {
  readonly operationBytes: Uint8Array;
  readonly operations: readonly Operation[];
  readonly literals: Uint8Array;
  /** The pages that came along, and their hashes. */
  readonly contents: Uint8Array;
  readonly contentHashes: Uint8Array;
  /** In the order of the operations, one for each page of a source, and their hashes. */
  readonly sourcePages: Uint8Array;
  readonly sourceHashes: Uint8Array;
  /** Which of them there are: 1, or 0. */
  readonly sourceThere: Uint8Array;
}

interface Content {
  readonly page: Uint8Array;
  readonly hash: Uint8Array;
}

/** What the receiver keeps from batch to batch. */
export interface Rebuilt {
  readonly recent: RecentPages;
  readonly table: PageTable;
  /** Where the bytes may go; default: into a buffer of their own. */
  readonly room?: (bytes: number) => Buffer;
}

/**
 * The bytes of the stream that a batch stands for; undefined where a page is missing or the digest differs, and then
 * nothing has changed. Else its pages are kept and noted. The hashes have to be of the pages that are given.
 */
export function rebuildBatch(
  parts: BatchParts,
  digest: Uint8Array,
  blocks: readonly RamBlock[],
  rebuilt: Rebuilt,
): Buffer | undefined {
  const contents = gather(parts, rebuilt.recent);
  if (contents === undefined || !digestOf(parts, contents).equals(digest)) return undefined;
  const bytes = write(parts, contents, blocks, rebuilt.room ?? ((length) => Buffer.allocUnsafe(length)));
  note(parts, contents, rebuilt);
  return bytes;
}

/** The content of each page that has one, in order. */
function gather(parts: BatchParts, recent: RecentPages): Content[] | undefined {
  const contents: Content[] = [];
  const fresh: Content[] = [];
  const base = recent.next;
  let content = 0;
  let fromSources = 0;
  for (const operation of parts.operations) {
    if (operation.kind !== 'pages' || operation.from === 'zero') continue;
    for (let i = 0; i < operation.count; i++) {
      const one = resolve(operation, i);
      if (one === undefined) return undefined;
      contents.push(one);
    }
  }
  return contents;

  function resolve(run: PageRun, i: number): Content | undefined {
    switch (run.from) {
      case 'zero':
        return undefined;
      case 'new':
      case 'plain': {
        const one = at(parts.contents, parts.contentHashes, content++);
        if (run.from === 'new') fresh.push(one);
        return one;
      }
      case 'recent': {
        const number = run.number + i;
        return number < base ? recent.get(number) : fresh[number - base];
      }
      case 'source': {
        const place = fromSources++;
        return parts.sourceThere[place] === 1 ? at(parts.sourcePages, parts.sourceHashes, place) : undefined;
      }
    }
  }
}

function at(pages: Uint8Array, hashes: Uint8Array, index: number): Content {
  return {
    page: pages.subarray(index * pageBytes, (index + 1) * pageBytes),
    hash: hashes.subarray(index * hashBytes, (index + 1) * hashBytes),
  };
}

function digestOf({ operationBytes, literals }: BatchParts, contents: readonly Content[]): Buffer {
  const hashes = Buffer.alloc(contents.length * hashBytes);
  for (const [i, { hash }] of contents.entries()) hashes.set(hash, i * hashBytes);
  return batchDigest(operationBytes, literals, hashes);
}

/** What both ends compute. `hashes`: of all pages with content, in order. */
export function batchDigest(operationBytes: Uint8Array, literals: Uint8Array, hashes: Uint8Array): Buffer {
  return createHash('sha256').update(operationBytes).update(literals).update(hashes).digest();
}

function write(
  { operations, literals }: BatchParts,
  contents: readonly Content[],
  blocks: readonly RamBlock[],
  room: (bytes: number) => Buffer,
): Buffer {
  const names = blocks.map(({ name }) => bytesOfName(name));
  const output = room(streamBytes(operations, names));
  let at = 0;
  let literal = 0;
  let content = 0;
  for (const operation of operations) {
    if (operation.kind === 'literal') {
      output.set(literals.subarray(literal, literal + operation.bytes), at);
      literal += operation.bytes;
      at += operation.bytes;
    } else if (operation.kind === 'pages') {
      const kind = operation.from === 'zero' ? 'zero' : 'page';
      for (let i = 0; i < operation.count; i++) {
        const name = operation.named && i === 0 ? names[operation.block] : undefined;
        at = writeRecordHead(output, at, kind, operation.page + i, name);
        if (kind === 'zero') {
          output[at++] = 0;
          continue;
        }
        output.set(contents[content++]?.page ?? [], at);
        at += pageBytes;
      }
    }
  }
  return output;
}

function streamBytes(operations: readonly Operation[], names: readonly Buffer[]): number {
  let bytes = 0;
  for (const operation of operations) {
    if (operation.kind === 'literal') bytes += operation.bytes;
    if (operation.kind !== 'pages') continue;
    bytes += operation.count * (8 + (operation.from === 'zero' ? 1 : pageBytes));
    const name = operation.named ? names[operation.block] : undefined;
    if (name !== undefined) bytes += recordHeadBytes(name) - recordHeadBytes();
  }
  return bytes;
}

function note(parts: BatchParts, contents: readonly Content[], { recent, table }: Rebuilt): void {
  let next = 0;
  for (const operation of parts.operations) {
    if (operation.kind === 'blocks') table.define(operation.blocks);
    else if (operation.kind === 'unknown') table.forget(operation.block, operation.page);
    else if (operation.kind === 'pages' && operation.from === 'zero') {
      table.setZero(operation.block, operation.page, operation.count);
    } else if (operation.kind === 'pages') {
      for (let i = 0; i < operation.count; i++) {
        const content = contents[next++];
        if (content === undefined) continue;
        table.setHash(operation.block, operation.page + i, content.hash, 0);
        if (operation.from === 'new') recent.add(content.page, 0, content.hash, 0);
      }
    }
  }
}
