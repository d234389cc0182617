import { z } from 'zod';
import { DockError } from '../../../protocol/dock-error.ts';
import { PageSourceFacts } from '../../../protocol/page-exchange.ts';
import { pageBytes } from '../page-list.ts';
import type { SourceFacts } from '../page-source.ts';
import { limits } from './limits.ts';
import type { BatchShape } from './read-operations.ts';

/** First byte of a frame, after its length (32 bits, big-endian, of the byte and what follows it). */
const type = {
  hello: 1,
  batch: 2,
  clear: 3,
  end: 4,
  acknowledged: 5,
  again: 6,
  returned: 7,
  returnEnd: 8,
} as const;

const lengthBytes = 4;
/** number, coding, three lengths, digest */
const batchHeadBytes = 4 + 1 + 3 * 4 + 32;
const codings = ['plain', 'zstd'] as const;

export type Coding = (typeof codings)[number];

/** A piece of the stream. The payload is operations, literals and pages, in this order, and may be compressed as one. */
export interface BatchFrame {
  /** `clear`: it needs nothing of what the receiver has; answers `again`. */
  readonly kind: 'batch' | 'clear';
  readonly number: number;
  readonly coding: Coding;
  readonly operationBytes: number;
  readonly shape: BatchShape;
  /** SHA-256 of operations, literals, and the hashes of all pages with content, in the stream's order. */
  readonly digest: Uint8Array;
  readonly payload: Uint8Array;
}

export type ForwardFrame =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | BatchFrame
  /** The stream ended here. */
  | { readonly kind: 'end' };

export type BackwardFrame =
  /** All batches up to this one were rebuilt, and QEMU has taken them. */
  | { readonly kind: 'acknowledged'; readonly number: number }
  | { readonly kind: 'again'; readonly number: number }
  | { readonly kind: 'returned'; readonly bytes: Uint8Array }
  | { readonly kind: 'return-end' };

const Hello = z.strictObject({
  version: z.literal(limits.version),
  recentPages: z.literal(limits.recentPages),
  sources: z.array(PageSourceFacts).max(limits.sources),
});
type Hello = z.infer<typeof Hello>;

const maxPayloadBytes = limits.batchOperationBytes + limits.batchLiteralBytes + limits.batchPages * pageBytes;
const maxFrameBytes = 1 + batchHeadBytes + maxPayloadBytes;

export function encodeHello(sources: readonly SourceFacts[]): Buffer {
  const hello: Hello = {
    version: limits.version,
    recentPages: limits.recentPages,
    sources: sources.map(({ kind, digest, pages }) => ({ kind, digest, pages })),
  };
  return frame(type.hello, Buffer.from(JSON.stringify(hello)));
}

/** The head only: the payload goes out after it as it is. */
export function encodeBatchHead(batch: BatchFrame): Buffer {
  const head = Buffer.alloc(lengthBytes + 1 + batchHeadBytes);
  head.writeUInt32BE(1 + batchHeadBytes + batch.payload.length, 0);
  head[4] = type[batch.kind];
  head.writeUInt32BE(batch.number, 5);
  head[9] = codings.indexOf(batch.coding);
  head.writeUInt32BE(batch.operationBytes, 10);
  head.writeUInt32BE(batch.shape.literalBytes, 14);
  head.writeUInt32BE(batch.shape.contents, 18);
  head.set(batch.digest, 22);
  return head;
}

export const encodeEnd = (): Buffer => frame(type.end);
export const encodeReturned = (bytes: Uint8Array): Buffer => frame(type.returned, bytes);
export const encodeReturnEnd = (): Buffer => frame(type.returnEnd);
export const encodeAcknowledged = (number: number): Buffer => frame(type.acknowledged, word(number));
export const encodeAgain = (number: number): Buffer => frame(type.again, word(number));

function frame(kind: number, body: Uint8Array = new Uint8Array()): Buffer {
  const bytes = Buffer.alloc(lengthBytes + 1 + body.length);
  bytes.writeUInt32BE(1 + body.length, 0);
  bytes[4] = kind;
  bytes.set(body, 5);
  return bytes;
}

function word(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number, 0);
  return bytes;
}

/** Cuts what one end sends into frames. Both methods throw `protocol` for what no honest end sends. */
export class FrameReader<F extends ForwardFrame | BackwardFrame> {
  readonly #parse: (kind: number, body: Buffer) => F;
  #chunks: Buffer[] = [];
  #held = 0;
  /** Of the frame that is being read, with its length; 0 where that is not known yet. */
  #wanted = 0;

  private constructor(parse: (kind: number, body: Buffer) => F) {
    this.#parse = parse;
  }

  static forward(): FrameReader<ForwardFrame> {
    return new FrameReader(parseForward);
  }

  static backward(): FrameReader<BackwardFrame> {
    return new FrameReader(parseBackward);
  }

  /** The frames hold views of the chunks. */
  *read(chunk: Buffer): Generator<F> {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    for (;;) {
      if (this.#wanted === 0) {
        if (this.#held < lengthBytes) return;
        const length = this.#join(lengthBytes).readUInt32BE(0);
        if (length === 0 || length > maxFrameBytes) {
          throw new DockError(
            'protocol',
            `a frame of ${length} bytes, where 1 to ${maxFrameBytes} are allowed`,
          );
        }
        this.#wanted = lengthBytes + length;
      }
      if (this.#held < this.#wanted) return;
      const all = this.#join(this.#wanted);
      const bytes = all.subarray(lengthBytes, this.#wanted);
      const rest = all.subarray(this.#wanted);
      if (rest.length > 0) this.#chunks[0] = rest;
      else this.#chunks.shift();
      this.#held -= this.#wanted;
      this.#wanted = 0;
      yield this.#parse(bytes[0] ?? 0, bytes.subarray(1));
    }
  }

  /** To be called where the channel ends. */
  end(): void {
    if (this.#held === 0) return;
    throw new DockError('protocol', `the channel ended after ${this.#held} bytes of a frame`);
  }

  /** The first chunk, with at least so many bytes. */
  #join(bytes: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= bytes) return first;
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

function parseForward(kind: number, body: Buffer): ForwardFrame {
  switch (kind) {
    case type.hello:
      return { kind: 'hello', hello: parseHello(body) };
    case type.batch:
      return parseBatch('batch', body);
    case type.clear:
      return parseBatch('clear', body);
    case type.end:
      expectLength('end', body, 0);
      return { kind: 'end' };
    default:
      throw new DockError('protocol', `a frame of an unknown kind (${kind})`);
  }
}

function parseBackward(kind: number, body: Buffer): BackwardFrame {
  switch (kind) {
    case type.acknowledged:
      expectLength('acknowledgement', body, 4);
      return { kind: 'acknowledged', number: body.readUInt32BE(0) };
    case type.again:
      expectLength('request', body, 4);
      return { kind: 'again', number: body.readUInt32BE(0) };
    case type.returned:
      return { kind: 'returned', bytes: body };
    case type.returnEnd:
      expectLength('end', body, 0);
      return { kind: 'return-end' };
    default:
      throw new DockError('protocol', `a frame of an unknown kind (${kind})`);
  }
}

function expectLength(what: string, body: Buffer, length: number): void {
  if (body.length === length) return;
  throw new DockError('protocol', `a frame with an ${what} of ${body.length} bytes, not ${length}`);
}

function parseHello(body: Buffer): Hello {
  if (body.length > limits.helloBytes) throw new DockError('protocol', `a greeting of ${body.length} bytes`);
  let said: unknown;
  try {
    said = JSON.parse(body.toString());
  } catch {
    said = undefined;
  }
  const hello = Hello.safeParse(said);
  if (hello.success) return hello.data;
  throw new DockError(
    'protocol',
    'the other device greets the page exchange in a way that is not understood; do both devices run the same version?',
  );
}

function parseBatch(kind: 'batch' | 'clear', body: Buffer): BatchFrame {
  if (body.length < batchHeadBytes) throw new DockError('protocol', `a batch of ${body.length} bytes`);
  const coding = codings[body[4] ?? codings.length];
  const operationBytes = body.readUInt32BE(5);
  const shape = { literalBytes: body.readUInt32BE(9), contents: body.readUInt32BE(13) };
  const payload = body.subarray(batchHeadBytes);
  const isAllowed =
    operationBytes <= limits.batchOperationBytes &&
    shape.literalBytes <= limits.batchLiteralBytes &&
    shape.contents <= limits.batchPages;
  const bytes = payloadBytes(operationBytes, shape);
  if (
    coding === undefined ||
    !isAllowed ||
    payload.length > bytes ||
    (coding === 'plain' && payload.length !== bytes)
  ) {
    throw new DockError('protocol', 'a batch that says of itself what cannot be');
  }
  const digest = body.subarray(17, batchHeadBytes);
  return { kind, number: body.readUInt32BE(0), coding, operationBytes, shape, digest, payload };
}

/** Of what is compressed or not. */
export function payloadBytes(operationBytes: number, { literalBytes, contents }: BatchShape): number {
  return operationBytes + literalBytes + contents * pageBytes;
}
