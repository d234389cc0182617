import { hashBytes } from '../page-list.ts';
import type { PageOrigin } from './operation.ts';
import type { OutgoingBatch } from './outgoing-batch.ts';
import type { PageTable } from './page-table.ts';
import type { RecentIndex } from './recent-index.ts';
import { hashWords, type SourceIndex } from './source-index.ts';
import { OperationWriter } from './write-operations.ts';

/** How the pages of a transfer went, one each time one was sent. */
export interface PageCounts {
  zero: number;
  /** In full. */
  new: number;
  /** As the name of one that went before in the same transfer. */
  repeated: number;
  /** As the name of one in a source; by the sources' order. */
  referenced: number[];
}

export interface BatchDescription {
  readonly operations: Buffer;
  /** Of the pages whose content goes along, in order. */
  readonly slots: Uint16Array;
}

/** What the sender knows of the receiver. */
export class Knowledge {
  readonly recent: RecentIndex;
  readonly sources: SourceIndex | undefined;
  readonly table: PageTable;
  readonly counts: PageCounts;
  /** The last reference of each kind: the next page is probably beside it. */
  #lastRecent = -1;
  #lastSource = 0;
  #lastIndex = -1;

  constructor(parts: {
    recent: RecentIndex;
    sources: SourceIndex | undefined;
    sourceCount: number;
    table: PageTable;
  }) {
    this.recent = parts.recent;
    this.sources = parts.sources;
    this.table = parts.table;
    this.counts = { zero: 0, new: 0, repeated: 0, referenced: new Array<number>(parts.sourceCount).fill(0) };
  }

  /** The cheapest origin of a page with this hash; `new` is remembered. */
  originOf(words: Uint32Array, at: number): PageOrigin {
    if (this.sources?.isAt(this.#lastSource, this.#lastIndex + 1, words, at) === true) {
      return this.#referenced(this.#lastSource, this.#lastIndex + 1);
    }
    if (this.recent.isAt(this.#lastRecent + 1, words, at)) return this.#repeated(this.#lastRecent + 1);
    const place = this.sources?.find(words, at);
    if (place !== undefined) return this.#referenced(place.source, place.index);
    const number = this.recent.find(words, at);
    if (number !== undefined) return this.#repeated(number);
    this.recent.add(words, at);
    this.counts.new++;
    return { from: 'new' };
  }

  #referenced(source: number, index: number): PageOrigin {
    this.#lastSource = source;
    this.#lastIndex = index;
    this.counts.referenced[source] = (this.counts.referenced[source] ?? 0) + 1;
    return { from: 'source', source, index };
  }

  #repeated(number: number): PageOrigin {
    this.#lastRecent = number;
    this.counts.repeated++;
    return { from: 'recent', number };
  }
}

/** Says what the receiver has to do to rebuild the batch, which is the next one of the stream, and notes that it will. */
export function describeBatch(batch: OutgoingBatch, knowledge: Knowledge): BatchDescription {
  const { table, counts } = knowledge;
  return describe(
    batch,
    knowledge.recent.next,
    (slot) => {
      const origin = knowledge.originOf(batch.hashWords, slot * hashWords);
      batch.isNew[slot] = origin.from === 'new' ? 1 : 0;
      return origin;
    },
    (entry) => {
      switch (entry.kind) {
        case 'blocks':
          table.define(entry.blocks);
          return;
        case 'unknown':
          table.forget(entry.block, entry.page);
          return;
        case 'zero':
          table.setZero(entry.block, entry.page, entry.count);
          counts.zero += entry.count;
          return;
        case 'data':
          for (let i = 0; i < entry.count; i++) {
            table.setHash(entry.block, entry.page + i, batch.hashBytes, (entry.slot + i) * hashBytes);
          }
          return;
        case 'literal':
          return;
      }
    },
  );
}

/** The same batch so that it needs nothing of what the receiver has. `recentNext`: as it was before the batch. */
export function describeInClear(batch: OutgoingBatch, recentNext: number): BatchDescription {
  return describe(
    batch,
    recentNext,
    (slot) => ({ from: batch.isNew[slot] === 1 ? 'new' : 'plain' }),
    () => {},
  );
}

function describe(
  batch: OutgoingBatch,
  recentNext: number,
  originOf: (slot: number) => PageOrigin,
  note: (entry: OutgoingBatch['entries'][number]) => void,
): BatchDescription {
  const writer = new OperationWriter(recentNext);
  const slots = new Uint16Array(batch.pages);
  let contents = 0;
  for (const entry of batch.entries) {
    note(entry);
    if (entry.kind !== 'zero' && entry.kind !== 'data') {
      writer.put(entry);
      continue;
    }
    const { block, page, named, count } = entry;
    if (entry.kind === 'zero') {
      writer.put({ kind: 'pages', from: 'zero', block, page, count, named });
      continue;
    }
    let origin = originOf(entry.slot);
    let first = 0;
    for (let at = 0; at < count; at++) {
      if (origin.from === 'new' || origin.from === 'plain') slots[contents++] = entry.slot + at;
      const next = at + 1 < count ? originOf(entry.slot + at + 1) : undefined;
      if (next !== undefined && goesOn(origin, at + 1 - first, next)) continue;
      writer.put({
        kind: 'pages',
        ...origin,
        block,
        page: page + first,
        count: at + 1 - first,
        named: named && first === 0,
      });
      first = at + 1;
      if (next !== undefined) origin = next;
    }
  }
  return { operations: writer.take(), slots: slots.subarray(0, contents) };
}

/** Whether a run that began with `origin` goes on with `next` after so many pages. */
function goesOn(origin: PageOrigin, count: number, next: PageOrigin): boolean {
  switch (next.from) {
    case 'recent':
      return origin.from === 'recent' && next.number === origin.number + count;
    case 'source':
      return origin.from === 'source' && next.source === origin.source && next.index === origin.index + count;
    default:
      return origin.from === next.from;
  }
}
