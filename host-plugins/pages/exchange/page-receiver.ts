import type { Duplex } from 'node:stream';
import { DockError } from '../../../protocol/dock-error.ts';
import { freeBuffer } from '../free-buffer.ts';
import { pageBytes } from '../page-list.ts';
import type { PageRoom, ReceivingSource } from '../page-source.ts';
import type { RamBlock } from '../stream/stream-item.ts';
import type { PageWorkers } from '../work/page-workers.ts';
import {
  type BatchFrame,
  encodeAcknowledged,
  encodeAgain,
  encodeReturnEnd,
  encodeReturned,
  type ForwardFrame,
  FrameReader,
  payloadBytes,
} from './frame.ts';
import { limits } from './limits.ts';
import { PageRooms } from './page-rooms.ts';
import { PageTable } from './page-table.ts';
import { type BatchPlan, readOperations } from './read-operations.ts';
import { rebuildBatch } from './rebuild-batch.ts';
import { RecentPages } from './recent-pages.ts';
import { StreamPair } from './stream-pair.ts';
import { takeFromSources } from './take-from-sources.ts';
import { UsedAgain } from './used-again.ts';

/** What a batch of pages comes to in the stream, and a little; few are larger. */
const streamBytes = limits.batchPages * (pageBytes + 8) + 4096;

export interface ReceiverOptions {
  /** QEMU's connection; half-open is allowed. A socket: what it has written may be changed. */
  readonly qemu: Duplex;
  readonly channel: Duplex;
  readonly workers: PageWorkers;
  /** As both ends have agreed on, in this order. */
  readonly sources: readonly ReceivingSource[];
}

interface Unpacked {
  readonly payload: Uint8Array;
  readonly hashes: Uint8Array;
}

/** Where the pages of a batch are that sources give, and which of them there are. */
interface SourcePages {
  readonly room: PageRoom;
  readonly there: Uint8Array;
}

interface Known {
  readonly blocks: readonly RamBlock[];
  readonly recentNext: number;
}

/** A batch that has come and is not QEMU's yet. */
interface Flight {
  readonly number: number;
  frame: BatchFrame;
  /** `damaged`: what came along cannot be unpacked. */
  unpacked: Unpacked | 'damaged' | undefined;
  /** What was known before it, and after it: the same when it comes again. */
  before: Known | undefined;
  after: Known | undefined;
  plan: BatchPlan | undefined;
  fromSources: SourcePages | undefined;
  state: 'coming' | 'asked-again' | 'written';
}

/**
 * The target's end: rebuilds the stream, byte for byte, checks each batch before QEMU gets any of it, and asks again,
 * once, for what it cannot rebuild. When that fails too, `run` rejects: QEMU never reads a wrong byte.
 */
export class PageReceiver {
  /** What was rebuilt. The sender's is the same when `run` has resolved. */
  readonly table = new PageTable();
  readonly #pair: StreamPair;
  readonly #workers: PageWorkers;
  readonly #sources: readonly ReceivingSource[];
  readonly #recent = new RecentPages();
  readonly #outputs = new UsedAgain(streamBytes);
  readonly #rooms = new PageRooms();
  readonly #frames = FrameReader.forward();
  readonly #flights: Flight[] = [];
  #known: Known = { blocks: [], recentNext: 0 };
  #nextNumber = 0;
  #isGreeted = false;
  #hasEnded = false;

  constructor({ qemu, channel, workers, sources }: ReceiverOptions) {
    this.#workers = workers;
    this.#sources = sources;
    this.#pair = new StreamPair(qemu, channel, {
      fromQemu: (chunk) => this.#giveBack(chunk),
      qemuEnded: () => this.#endReturn(),
      fromChannel: (chunk) => {
        for (const frame of this.#frames.read(chunk)) this.#take(frame);
      },
      channelEnded: () => {
        this.#frames.end();
        if (!this.#hasEnded)
          throw new DockError('peer-gone', 'the other device closed the channel within the move');
      },
    });
  }

  /** Resolves when QEMU has all of the stream, and the other end all that came back. As the sender's. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#pair.run(signal);
  }

  #giveBack(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at += limits.returnBytes) {
      this.#pair.toChannel(encodeReturned(chunk.subarray(at, at + limits.returnBytes)));
    }
  }

  #endReturn(): void {
    this.#pair.toChannel(encodeReturnEnd());
    this.#pair.endChannel();
  }

  #take(frame: ForwardFrame): void {
    if (!this.#isGreeted) {
      if (frame.kind !== 'hello')
        throw new DockError('protocol', 'the page exchange begins without a greeting');
      this.#checkSources(frame.hello.sources);
      this.#isGreeted = true;
      return;
    }
    switch (frame.kind) {
      case 'hello':
        throw new DockError('protocol', 'the page exchange is greeted twice');
      case 'end':
        this.#hasEnded = true;
        this.#finish();
        return;
      case 'batch':
        if (
          frame.number !== this.#nextNumber ||
          this.#flights.length === limits.batchesUnderWay ||
          this.#hasEnded
        ) {
          throw new DockError('protocol', `batch ${frame.number} is not the one that is next`);
        }
        this.#nextNumber++;
        this.#unpack({
          number: frame.number,
          frame,
          unpacked: undefined,
          before: undefined,
          after: undefined,
          plan: undefined,
          fromSources: undefined,
          state: 'coming',
        });
        return;
      case 'clear': {
        const flight = this.#flights.find(({ number }) => number === frame.number);
        if (flight?.state !== 'asked-again' || flight.frame.kind === 'clear') {
          throw new DockError('protocol', `batch ${frame.number} comes again, and nobody asked for it`);
        }
        this.#unpack(
          Object.assign(flight, { frame, unpacked: undefined, plan: undefined, fromSources: undefined }),
        );
      }
    }
  }

  #checkSources(said: readonly { kind: string; digest: string; pages: number }[]): void {
    const isSame =
      said.length === this.#sources.length &&
      this.#sources.every(({ digest, pages }, i) => said[i]?.digest === digest && said[i]?.pages === pages);
    if (!isSame)
      throw new DockError('protocol', 'the other device means other page sources than were agreed on');
  }

  #unpack(flight: Flight): void {
    flight.state = 'coming';
    if (flight.frame.kind === 'batch') this.#flights.push(flight);
    const { coding, operationBytes, shape, payload } = flight.frame;
    const bytes = payloadBytes(operationBytes, shape);
    if (coding === 'plain' && shape.contents === 0) {
      flight.unpacked = { payload: Uint8Array.from(payload), hashes: new Uint8Array() };
      this.#advance();
      return;
    }
    // a copy of its own, which can change hands; the frame keeps its view until then only
    const own = Uint8Array.from(payload);
    const pagesAt = operationBytes + shape.literalBytes;
    const job = { do: 'unpack', payload: own, coding, bytes, pagesAt } as const;
    flight.frame = {
      ...flight.frame,
      payload: new Uint8Array(),
      digest: Uint8Array.from(flight.frame.digest),
    };
    this.#pair.guard(
      this.#workers.run(job, [own.buffer]).then((unpacked) => {
        flight.unpacked = unpacked ?? 'damaged';
        this.#advance();
      }),
    );
  }

  #advance(): void {
    this.#planReady();
    for (const flight of this.#flights) {
      if (flight.state === 'written') continue;
      if (!this.#rebuild(flight)) return;
    }
  }

  /** In the stream's order: what operations mean depends on the batches before. */
  #planReady(): void {
    for (const flight of this.#flights) {
      if (flight.plan !== undefined) continue;
      if (flight.unpacked === undefined || flight.unpacked === 'damaged') return;
      flight.before ??= this.#known;
      const { operationBytes, shape } = flight.frame;
      const sources = this.#sources;
      const context = { ...flight.before, sources, recentCapacity: limits.recentPages };
      const plan = readOperations(flight.unpacked.payload.subarray(0, operationBytes), shape, context);
      if (flight.frame.kind === 'clear' && plan.operations.some(isReference)) {
        throw new DockError('protocol', 'a batch that comes again, in the clear, has references');
      }
      if (flight.after === undefined) {
        flight.after = { blocks: plan.blocks, recentNext: plan.recentNext };
        this.#known = flight.after;
      } else if (plan.recentNext !== flight.after.recentNext) {
        throw new DockError('protocol', 'a batch comes again, and is another one');
      }
      flight.plan = plan;
      if (!plan.operations.some(isOfSource)) {
        flight.fromSources = noSourcePages;
        continue;
      }
      const room = this.#rooms.take();
      this.#pair.guard(
        takeFromSources(plan.operations, sources, room, this.#workers).then((there) => {
          flight.fromSources = { room, there };
          this.#advance();
        }),
      );
    }
  }

  /** Whether the next one may follow. */
  #rebuild(flight: Flight): boolean {
    const { frame, plan, unpacked, fromSources } = flight;
    if (unpacked === undefined || flight.state === 'asked-again') return false;
    if (unpacked === 'damaged') return this.#askAgain(flight);
    if (plan === undefined || fromSources === undefined) return false;
    const { payload, hashes } = unpacked;
    const literalsAt = frame.operationBytes;
    const pagesAt = literalsAt + frame.shape.literalBytes;
    const parts = {
      operationBytes: payload.subarray(0, literalsAt),
      operations: plan.operations,
      literals: payload.subarray(literalsAt, pagesAt),
      contents: payload.subarray(pagesAt),
      contentHashes: hashes,
      sourcePages: new Uint8Array(fromSources.room.pages),
      sourceHashes: new Uint8Array(fromSources.room.hashes),
      sourceThere: fromSources.there,
    };
    const bytes = rebuildBatch(parts, frame.digest, plan.blocks, {
      recent: this.#recent,
      table: this.table,
      room: (length) => this.#outputs.take(length),
    });
    if (fromSources !== noSourcePages) this.#rooms.give(fromSources.room);
    if (bytes === undefined) return this.#askAgain(flight);
    freeBuffer(payload);
    flight.state = 'written';
    this.#pair.toQemu(bytes, () => {
      this.#outputs.give(bytes);
      this.#taken(flight);
    });
    return true;
  }

  #askAgain(flight: Flight): false {
    if (flight.frame.kind === 'clear') {
      throw new DockError('protocol', 'a batch of pages cannot be rebuilt although it came in the clear');
    }
    flight.state = 'asked-again';
    this.#pair.toChannel(encodeAgain(flight.number));
    return false;
  }

  #taken(flight: Flight): void {
    // Streams take what is written in order: it is the first one.
    this.#flights.shift();
    this.#pair.toChannel(encodeAcknowledged(flight.number));
    this.#finish();
  }

  #finish(): void {
    if (this.#hasEnded && this.#flights.length === 0) this.#pair.endQemu();
  }
}

const noSourcePages: SourcePages = {
  room: { pages: new SharedArrayBuffer(0), hashes: new SharedArrayBuffer(0) },
  there: new Uint8Array(),
};

function isOfSource(operation: BatchPlan['operations'][number]): boolean {
  return operation.kind === 'pages' && operation.from === 'source';
}

function isReference(operation: BatchPlan['operations'][number]): boolean {
  return operation.kind === 'pages' && (operation.from === 'recent' || operation.from === 'source');
}
