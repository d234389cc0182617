import { DockError } from '../../../protocol/dock-error.ts';
import {
  answerBit,
  bodyBytes,
  type Frame,
  kindCodes,
  type NumberedKind,
  numberedHeadBytes,
} from './frame.ts';

/** Pieces of a chunk that are smaller are copied: else a few bytes would keep a whole chunk in memory. */
const worthKeepingBytes = 2048;

const numberedKinds: ReadonlyMap<number, NumberedKind> = new Map(
  (['open', 'accept', 'refuse', 'data', 'credit', 'end', 'close', 'reset', 'places'] as const).map((kind) => [
    kindCodes[kind],
    kind,
  ]),
);
const linkKinds = new Map(
  (['have', 'ping', 'pong', 'bye'] as const).map((kind) => [kindCodes[kind] as number, kind]),
);

/**
 * Cuts the bytes of a link into frames. Strict: what is not exactly a frame throws `protocol`, and then the reader
 * is not to be used any more. Holds less than one frame between two chunks.
 */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void;
  /** Kind, length, and of a numbered frame its head. */
  readonly #head = new Uint8Array(4 + numberedHeadBytes);
  #headBytes = 0;
  #headLength = 4;
  #body: Uint8Array[] = [];
  #missing = 0;

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#headBytes < this.#headLength) {
        at = this.#takeHead(chunk, at);
        if (this.#headBytes < this.#headLength) return;
      }
      if (this.#missing > 0) {
        const piece = chunk.subarray(at, at + this.#missing);
        if (piece.length > 0) {
          this.#body.push(piece.length < worthKeepingBytes ? new Uint8Array(piece) : piece);
          this.#missing -= piece.length;
          at += piece.length;
        }
        if (this.#missing > 0) return;
      }
      this.#finish();
    }
  }

  #takeHead(chunk: Uint8Array, from: number): number {
    let at = from;
    while (at < chunk.length && this.#headBytes < this.#headLength) {
      this.#head[this.#headBytes++] = chunk[at++] ?? 0;
      if (this.#headBytes === 4 && this.#headLength === 4) this.#begin();
    }
    return at;
  }

  /** Kind and length are there. */
  #begin(): void {
    const code = this.#head[0] ?? 0;
    const length = (this.#byte(1) << 16) | (this.#byte(2) << 8) | this.#byte(3);
    const numbered = numberedKinds.get(code & ~answerBit);
    const kind = numbered ?? linkKinds.get(code);
    if (kind === undefined) throw new DockError('protocol', `a frame of the unknown kind ${code}`);
    const headLength = numbered === undefined ? 0 : numberedHeadBytes;
    const [least, most] = bodyBytes[kind];
    if (length - headLength < least || length - headLength > most) {
      throw new DockError('protocol', `a frame "${kind}" of ${length} bytes`);
    }
    this.#headLength = 4 + headLength;
    this.#missing = length - headLength;
  }

  #finish(): void {
    const frame = this.#frame();
    this.#headBytes = 0;
    this.#headLength = 4;
    this.#body = [];
    this.#onFrame(frame);
  }

  #frame(): Frame {
    const code = this.#head[0] ?? 0;
    const body = this.#body;
    const numbered = numberedKinds.get(code & ~answerBit);
    if (numbered !== undefined) {
      return {
        kind: numbered,
        number: readNumber(this.#head, 4),
        channel: readWord(this.#head, 10),
        place: readWord(this.#head, 14),
        answer: (code & answerBit) !== 0,
        body,
      };
    }
    const kind = linkKinds.get(code) ?? 'bye';
    const whole = joinPieces(body);
    if (kind === 'have') return { kind, base: readNumber(whole, 0), bits: whole.subarray(6) };
    if (kind === 'bye') return { kind, body: whole };
    return { kind, token: readWord(whole, 0) };
  }

  #byte(at: number): number {
    return this.#head[at] ?? 0;
  }
}

export function joinPieces(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

export function readWord(bytes: Uint8Array, at: number): number {
  const byte = (offset: number): number => bytes[at + offset] ?? 0;
  return byte(0) * 0x100_0000 + ((byte(1) << 16) | (byte(2) << 8) | byte(3));
}

export function readNumber(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) * 0x100 + (bytes[at + 1] ?? 0)) * 0x1_0000_0000 + readWord(bytes, at + 2);
}
