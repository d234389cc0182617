import type { Duplex } from 'node:stream';
import { DockError } from '../../../protocol/dock-error.ts';
import { hashBytes } from '../page-list.ts';
import type { SendingSource } from '../page-source.ts';
import { StreamParser } from '../stream/stream-parser.ts';
import type { PageWorkers } from '../work/page-workers.ts';
import { BatchRoll } from './batch-roll.ts';
import { nextLevel, quickestLevel } from './compression-level.ts';
import {
  type BatchDescription,
  describeBatch,
  describeInClear,
  Knowledge,
  type PageCounts,
} from './describe-batch.ts';
import {
  type BackwardFrame,
  type BatchFrame,
  encodeBatchHead,
  encodeEnd,
  encodeHello,
  FrameReader,
} from './frame.ts';
import { limits } from './limits.ts';
import { LinkRate } from './link-rate.ts';
import type { OutgoingBatch } from './outgoing-batch.ts';
import { PageTable } from './page-table.ts';
import { batchDigest } from './rebuild-batch.ts';
import { RecentIndex } from './recent-index.ts';
import { SourceIndex } from './source-index.ts';
import { StreamPair } from './stream-pair.ts';

/**
 * QEMU writes items in one go. Where it stops within one for so long, it may be waiting for an answer, ms. Within a
 * page's record it does not; that one is torn (and sent as if nobody knew what it is) only where the records were none.
 */
const holdMs = { other: 2, record: 100 } as const;
/** At a time, so that what the parser makes of it fits the batches at hand. */
const sliceBytes = 64 * 1024;
/** How long a level of compression is tried before another one may be, ms. */
const levelMs = 500;
/** A payload this small is not worth a thread's time. */
const smallBytes = 512;

/** A batch that the other end has not acknowledged yet. */
interface Flight {
  readonly number: number;
  readonly batch: OutgoingBatch;
  hashed: boolean;
  /** Number of the first page that is new in it; set when it is described. */
  recentNext: number;
  frame: BatchFrame | undefined;
  wireBytes: number;
  sentAt: number;
  inClear: boolean;
}

export interface SenderOptions {
  /** QEMU's connection; half-open is allowed. */
  readonly qemu: Duplex;
  readonly channel: Duplex;
  readonly workers: PageWorkers;
  /** As both ends have agreed on, in this order. */
  readonly sources: readonly SendingSource[];
  /** Of the time of this computer's processors since it was asked last, what nobody used; undefined: not known. */
  readonly idleShare: () => number | undefined;
}

export interface SenderStatistics {
  /** What QEMU wrote, as far as the other end's QEMU has it. */
  readonly streamBytes: number;
  /** What went over the channel for it, this way. */
  readonly wireBytes: number;
  readonly pages: PageCounts;
  /** Batches that the other end could not rebuild and got again, in the clear. */
  readonly resentBatches: number;
}

export interface LinkReading {
  readonly sentBytes: number;
  /** While it has enough to carry; undefined until that has been seen. */
  readonly carriesBytesPerS: number | undefined;
  /** Grows as long as QEMU has to wait for it. */
  readonly waits: number;
}

/**
 * The source's end: takes QEMU's stream, and sends what the receiver cannot rebuild by itself. What has left QEMU and
 * is not at the other end's QEMU yet is bounded by what the link carries in a moment (link-rate.ts).
 */
export class PageSender {
  /** What the other end holds too when `run` has resolved. */
  readonly table = new PageTable();
  readonly #pair: StreamPair;
  readonly #workers: PageWorkers;
  readonly #knowledge: Knowledge;
  readonly #roll = new BatchRoll((batch) => this.#depart(batch));
  readonly #parser = new StreamParser(this.#roll);
  readonly #frames = FrameReader.backward();
  readonly #rate = new LinkRate();
  readonly #flights: Flight[] = [];
  #nextNumber = 0;
  #input: Buffer[] = [];
  #idle: NodeJS.Immediate | undefined;
  #hold: NodeJS.Timeout | undefined;
  #wireBytes = 0;
  #streamBytes = 0;
  #resent = 0;
  /** How often QEMU had to wait because the link had enough to carry. */
  #waits = 0;
  readonly #idleShare: () => number | undefined;
  #level = quickestLevel;
  /** When the level was chosen, and `#waits` then. */
  #leveled = { atMs: performance.now(), waits: 0 };
  /** Bytes on the wire for a byte of the stream, lately. */
  #ratio = 1;
  #hasEnded = false;
  #endSent = false;

  private constructor(
    { qemu, channel, workers, sources, idleShare }: SenderOptions,
    index: SourceIndex | undefined,
  ) {
    this.#workers = workers;
    this.#idleShare = idleShare;
    const recent = new RecentIndex(limits.recentPages);
    this.#knowledge = new Knowledge({
      recent,
      sources: index,
      sourceCount: sources.length,
      table: this.table,
    });
    this.#pair = new StreamPair(qemu, channel, {
      fromQemu: (chunk) => this.#take(chunk),
      qemuEnded: () => this.#end(),
      fromChannel: (chunk) => this.#answers(chunk),
      channelEnded: () => this.#frames.end(),
    });
    this.#send(encodeHello(sources));
  }

  /** Greets the other end. Makes the pages of the sources findable before, which takes 0.2 us a page. */
  static async create(options: SenderOptions): Promise<PageSender> {
    const parts = options.sources.map(({ hashes, pages }) => ({ hashes, pages }));
    if (parts.length === 0) return new PageSender(options, undefined);
    const table = await options.workers.run({ do: 'index', sources: parts });
    return new PageSender(options, new SourceIndex(parts, table));
  }

  /**
   * Resolves when the stream is over there, and what comes back is here. When it rejects, or is aborted, both streams
   * are destroyed: QEMU at either end sees its connection end within the stream, and the migration fails.
   */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#pair.run(signal);
    } finally {
      clearTimeout(this.#hold);
      clearImmediate(this.#idle);
    }
  }

  get statistics(): SenderStatistics {
    const { counts } = this.#knowledge;
    return {
      streamBytes: this.#streamBytes,
      wireBytes: this.#wireBytes,
      pages: { ...counts, referenced: [...counts.referenced] },
      resentBatches: this.#resent,
    };
  }

  /** What is known here of the link, for whoever has to reckon how long the last pages will take. */
  get link(): LinkReading {
    return { sentBytes: this.#wireBytes, carriesBytesPerS: this.#rate.bytesPerS, waits: this.#waits };
  }

  #take(chunk: Buffer): void {
    clearTimeout(this.#hold);
    for (let at = 0; at < chunk.length; at += sliceBytes)
      this.#input.push(chunk.subarray(at, at + sliceBytes));
    this.#pump();
  }

  /** Takes in as much as may be on its way, and then lets QEMU wait. */
  #pump(): void {
    while (this.#input.length > 0 && this.#hasRoom) this.#parser.push(this.#input.shift() ?? Buffer.alloc(0));
    const holds = this.#input.length > 0;
    if (holds && this.#roll.hasRoom) this.#waits++;
    this.#pair.holdQemu(holds);
    if (this.#input.length === 0) this.#idle ??= setImmediate(() => this.#onIdle());
  }

  get #hasRoom(): boolean {
    if (!this.#roll.hasRoom) return false;
    let bytes = 0;
    for (const { frame, batch, wireBytes } of this.#flights) {
      bytes += frame === undefined ? batch.streamBytes * this.#ratio : wireBytes;
    }
    return bytes < this.#rate.windowBytes;
  }

  /** QEMU writes nothing more just now: what is there goes on its way. */
  #onIdle(): void {
    this.#idle = undefined;
    if (this.#input.length > 0) return;
    if (this.#hasEnded) {
      this.#parser.flush();
      this.#roll.close();
      this.#finish();
      return;
    }
    if (this.#hasRoom) this.#roll.close();
    const { holds } = this.#parser;
    if (holds === 'nothing') return;
    clearTimeout(this.#hold);
    this.#hold = setTimeout(() => {
      if (this.#input.length > 0) return;
      this.#parser.flush();
      this.#roll.close();
    }, holdMs[holds]);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#pump();
  }

  #finish(): void {
    if (this.#endSent || !this.#hasEnded || this.#input.length > 0 || !this.#roll.isEmpty) return;
    if (this.#flights.some(({ frame }) => frame === undefined)) return;
    this.#endSent = true;
    this.#send(encodeEnd());
    if (this.#flights.length === 0) this.#pair.endChannel();
  }

  #depart(batch: OutgoingBatch): void {
    const flight: Flight = {
      number: this.#nextNumber++,
      batch,
      hashed: batch.pages === 0,
      recentNext: -1,
      frame: undefined,
      wireBytes: 0,
      sentAt: 0,
      inClear: false,
    };
    this.#flights.push(flight);
    if (flight.hashed) {
      this.#describe();
      return;
    }
    const job = { do: 'hash', pages: batch.data, slots: batch.pages, hashes: batch.hashes } as const;
    this.#pair.guard(
      this.#workers.run(job).then(() => {
        flight.hashed = true;
        this.#describe();
      }),
    );
  }

  /** In the stream's order: what a batch may refer to depends on the ones before. */
  #describe(): void {
    this.#chooseLevel();
    for (const flight of this.#flights) {
      if (flight.recentNext !== -1) continue;
      if (!flight.hashed) return;
      flight.recentNext = this.#knowledge.recent.next;
      const description = describeBatch(flight.batch, this.#knowledge);
      this.#pair.guard(
        this.#pack(flight, 'batch', description).then((frame) => {
          flight.frame = frame;
          this.#sendReady();
        }),
      );
    }
  }

  #chooseLevel(): void {
    const { atMs, waits } = this.#leveled;
    const now = performance.now();
    if (now - atMs < levelMs) return;
    const linkWasFull = this.#waits > waits;
    this.#level = nextLevel(this.#level, { linkWasFull, idleShare: this.#idleShare() });
    this.#leveled = { atMs: now, waits: this.#waits };
  }

  async #pack(
    { number, batch }: Flight,
    kind: BatchFrame['kind'],
    { operations, slots }: BatchDescription,
  ): Promise<BatchFrame> {
    const { literals } = batch;
    const hashes = batch.hashBytes.subarray(0, batch.pages * hashBytes);
    const digest = batchDigest(operations, literals, hashes);
    const head = new Uint8Array(operations.length + literals.length);
    head.set(operations);
    head.set(literals, operations.length);
    const shape = { literalBytes: literals.length, contents: slots.length };
    const common = { kind, number, operationBytes: operations.length, shape, digest };
    if (slots.length === 0 && head.length < smallBytes) return { ...common, coding: 'plain', payload: head };
    const job = { do: 'pack', head, pages: batch.data, slots, level: this.#level } as const;
    return { ...common, ...(await this.#workers.run(job, [head.buffer])) };
  }

  #sendReady(): void {
    for (const flight of this.#flights) {
      const { frame, batch } = flight;
      if (frame === undefined) return;
      if (flight.sentAt !== 0) continue;
      flight.sentAt = performance.now();
      flight.wireBytes = this.#sendBatch(frame);
      this.#ratio += (flight.wireBytes / Math.max(1, batch.streamBytes) - this.#ratio) / 8;
    }
    this.#finish();
    this.#pump();
  }

  #sendBatch(frame: BatchFrame): number {
    const head = encodeBatchHead(frame);
    this.#send(head);
    if (frame.payload.length > 0) this.#send(frame.payload);
    return head.length + frame.payload.length;
  }

  #send(bytes: Uint8Array): void {
    this.#wireBytes += bytes.length;
    this.#pair.toChannel(bytes);
  }

  #answers(chunk: Buffer): void {
    for (const frame of this.#frames.read(chunk)) this.#answer(frame);
  }

  #answer(frame: BackwardFrame): void {
    switch (frame.kind) {
      case 'acknowledged':
        this.#acknowledged(frame.number);
        return;
      case 'again':
        this.#again(frame.number);
        return;
      case 'returned':
        this.#pair.toQemu(frame.bytes);
        return;
      case 'return-end':
        this.#pair.endQemu();
    }
  }

  #acknowledged(number: number): void {
    const now = performance.now();
    if (number < (this.#flights[0]?.number ?? this.#nextNumber))
      throw unasked('acknowledges what it has acknowledged');
    for (
      let flight = this.#flights[0];
      flight !== undefined && flight.number <= number;
      flight = this.#flights[0]
    ) {
      if (flight.sentAt === 0) throw unasked('acknowledges what it was not sent');
      this.#rate.acknowledged(flight.wireBytes, flight.sentAt, now);
      this.#streamBytes += flight.batch.streamBytes;
      this.#flights.shift();
      this.#roll.give(flight.batch);
    }
    if (this.#flights.length === 0) this.#rate.idle();
    if (this.#flights.length === 0 && this.#endSent) this.#pair.endChannel();
    this.#pump();
  }

  /** What the other end cannot rebuild it gets in the clear, once. */
  #again(number: number): void {
    const flight = this.#flights.find((each) => each.number === number);
    if (flight === undefined || flight.sentAt === 0 || flight.inClear)
      throw unasked('asks for what it cannot need');
    flight.inClear = true;
    this.#resent++;
    this.#pair.guard(
      this.#pack(flight, 'clear', describeInClear(flight.batch, flight.recentNext)).then((frame) => {
        flight.wireBytes += this.#sendBatch(frame);
      }),
    );
  }
}

function unasked(what: string): DockError {
  return new DockError(
    'protocol',
    `the other end of the page exchange ${what}; do both devices run the same version?`,
  );
}
