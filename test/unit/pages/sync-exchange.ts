import { BatchRoll } from '../../../host-plugins/pages/exchange/batch-roll.ts';
import {
  describeBatch,
  describeInClear,
  Knowledge,
} from '../../../host-plugins/pages/exchange/describe-batch.ts';
import {
  type BatchFrame,
  encodeBatchHead,
  type ForwardFrame,
  FrameReader,
  payloadBytes,
} from '../../../host-plugins/pages/exchange/frame.ts';
import { limits } from '../../../host-plugins/pages/exchange/limits.ts';
import type { OutgoingBatch } from '../../../host-plugins/pages/exchange/outgoing-batch.ts';
import { PageTable } from '../../../host-plugins/pages/exchange/page-table.ts';
import { readOperations } from '../../../host-plugins/pages/exchange/read-operations.ts';
import { batchDigest, rebuildBatch } from '../../../host-plugins/pages/exchange/rebuild-batch.ts';
import { RecentIndex } from '../../../host-plugins/pages/exchange/recent-index.ts';
import { RecentPages } from '../../../host-plugins/pages/exchange/recent-pages.ts';
import { buildSourceTable, SourceIndex } from '../../../host-plugins/pages/exchange/source-index.ts';
import { hashBytes, pageBytes } from '../../../host-plugins/pages/page-list.ts';
import type { RamBlock } from '../../../host-plugins/pages/stream/stream-item.ts';
import { StreamParser } from '../../../host-plugins/pages/stream/stream-parser.ts';
import {
  doPageJob,
  hashPages,
  type PageJob,
  type ResultOf,
} from '../../../host-plugins/pages/work/page-jobs.ts';
import { DockError } from '../../../protocol/dock-error.ts';

/** A source that both ends have, as the receiver has it: what it gives may be something else than its hashes say. */
export interface TestSource {
  readonly hashes: SharedArrayBuffer;
  readonly pages: readonly (Uint8Array | undefined)[];
}

export function sourceOf(pages: readonly Uint8Array[]): TestSource {
  const hashes = new SharedArrayBuffer(pages.length * hashBytes);
  hashPages(Buffer.concat(pages), pages.length, new Uint8Array(hashes));
  return { hashes, pages };
}

const facts = ({ pages }: TestSource) => ({ kind: 'test', digest: '', pages: pages.length });

/** The sender's parts without threads and connections: bytes of the stream in, frames out. */
export class SyncSender {
  readonly table = new PageTable();
  readonly knowledge: Knowledge;
  readonly frames: Buffer[] = [];
  readonly #sent: { batch: OutgoingBatch; recentNext: number }[] = [];
  readonly #roll = new BatchRoll((batch) => this.#depart(batch));
  readonly #parser = new StreamParser(this.#roll);
  readonly #level: number;

  constructor(
    sources: readonly TestSource[],
    { level = 1, recentPages = limits.recentPages }: { level?: number; recentPages?: number } = {},
  ) {
    const parts = sources.map(({ hashes, pages }) => ({ hashes, pages: pages.length }));
    const index = parts.length === 0 ? undefined : new SourceIndex(parts, buildSourceTable(parts));
    const recent = new RecentIndex(recentPages);
    this.knowledge = new Knowledge({ recent, sources: index, sourceCount: parts.length, table: this.table });
    this.#level = level;
  }

  push(chunk: Uint8Array): void {
    this.#parser.push(chunk);
  }

  flush(): void {
    this.#parser.flush();
    this.#roll.close();
  }

  again(number: number): Buffer {
    const sent = this.#sent[number];
    if (sent === undefined) throw new Error(`no batch ${number} was sent`);
    return this.#encode(number, sent.batch, 'clear', describeInClear(sent.batch, sent.recentNext));
  }

  #depart(batch: OutgoingBatch): void {
    run({ do: 'hash', pages: batch.data, slots: batch.pages, hashes: batch.hashes });
    const recentNext = this.knowledge.recent.next;
    const number = this.#sent.push({ batch, recentNext }) - 1;
    this.frames.push(this.#encode(number, batch, 'batch', describeBatch(batch, this.knowledge)));
  }

  #encode(
    number: number,
    batch: OutgoingBatch,
    kind: BatchFrame['kind'],
    { operations, slots }: ReturnType<typeof describeBatch>,
  ): Buffer {
    const { literals } = batch;
    const digest = batchDigest(operations, literals, batch.hashBytes.subarray(0, batch.pages * hashBytes));
    const head = Buffer.concat([operations, literals]);
    const packed = run({ do: 'pack', head, pages: batch.data, slots, level: this.#level });
    const shape = { literalBytes: literals.length, contents: slots.length };
    const frame = { kind, number, operationBytes: operations.length, shape, digest, ...packed };
    return Buffer.concat([encodeBatchHead(frame), frame.payload]);
  }
}

/** The receiver's parts in the same way: frames in, bytes of the stream out. */
export class SyncReceiver {
  readonly table = new PageTable();
  readonly output: Buffer[] = [];
  /** Batches that could not be rebuilt at once. */
  resent = 0;
  readonly #sources: readonly TestSource[];
  readonly #capacity: number;
  readonly #recent: RecentPages;
  readonly #frames = FrameReader.forward();
  #blocks: readonly RamBlock[] = [];
  #nextNumber = 0;
  #isStuck = false;

  constructor(
    sources: readonly TestSource[],
    { recentPages = limits.recentPages }: { recentPages?: number } = {},
  ) {
    this.#sources = sources;
    this.#capacity = recentPages;
    this.#recent = new RecentPages(recentPages);
  }

  /** @param again gives a batch in the clear; without it nothing comes out any more after one that cannot be rebuilt */
  push(chunk: Buffer, again?: (number: number) => Buffer): void {
    for (const frame of this.#frames.read(chunk)) {
      if (this.#isStuck) return;
      if (frame.kind === 'clear' || (frame.kind === 'batch' && frame.number !== this.#nextNumber++))
        throw new DockError('protocol', 'it is not its turn');
      if (this.#take(frame) || frame.kind !== 'batch') continue;
      this.#isStuck = again === undefined;
      if (again === undefined) return;
      this.resent++;
      const [clear] = [...FrameReader.forward().read(again(frame.number))];
      if (clear === undefined || !this.#take(clear)) throw new Error('not even in the clear');
    }
  }

  #take(frame: ForwardFrame): boolean {
    if (frame.kind !== 'batch' && frame.kind !== 'clear') return true;
    const { operationBytes, shape, coding, digest } = frame;
    const bytes = payloadBytes(operationBytes, shape);
    const pagesAt = operationBytes + shape.literalBytes;
    const unpacked = run({ do: 'unpack', payload: frame.payload, coding, bytes, pagesAt });
    if (unpacked === undefined) return false;
    const { payload, hashes } = unpacked;
    const plan = readOperations(payload.subarray(0, operationBytes), shape, {
      blocks: this.#blocks,
      sources: this.#sources.map(facts),
      recentNext: this.#recent.next,
      recentCapacity: this.#capacity,
    });
    const sourcePages = plan.operations.flatMap((operation) =>
      operation.kind === 'pages' && operation.from === 'source'
        ? Array.from({ length: operation.count }, (_, i) =>
            wholePage(this.#sources[operation.source]?.pages[operation.index + i]),
          )
        : [],
    );
    const given = Buffer.concat(sourcePages.map((page) => page ?? Buffer.alloc(pageBytes)));
    const sourceHashes = new Uint8Array(sourcePages.length * hashBytes);
    hashPages(given, sourcePages.length, sourceHashes);
    const rebuilt = rebuildBatch(
      {
        operationBytes: payload.subarray(0, operationBytes),
        operations: plan.operations,
        literals: payload.subarray(operationBytes, pagesAt),
        contents: payload.subarray(pagesAt),
        contentHashes: hashes,
        sourcePages: given,
        sourceHashes,
        sourceThere: Uint8Array.from(sourcePages, (page) => (page === undefined ? 0 : 1)),
      },
      digest,
      plan.blocks,
      { recent: this.#recent, table: this.table },
    );
    if (rebuilt === undefined) return false;
    this.#blocks = plan.blocks;
    this.output.push(rebuilt);
    return true;
  }
}

function wholePage(page: Uint8Array | undefined): Uint8Array | undefined {
  return page?.length === pageBytes ? page : undefined;
}

function run<J extends PageJob>(job: J): ResultOf<J> {
  return doPageJob(job) as ResultOf<J>;
}
