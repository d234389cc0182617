import {
  answerBit,
  type Frame,
  isNumbered,
  kindCodes,
  type NumberedFrame,
  numberedHeadBytes,
} from './frame.ts';

/** The bytes of a frame, in pieces: what is data is not copied. */
export function encodeFrame(frame: Frame): readonly Uint8Array[] {
  if (isNumbered(frame)) return [headOf(frame), ...frame.body];
  switch (frame.kind) {
    case 'have': {
      const bytes = start(frame.kind, 6 + frame.bits.length);
      writeNumber(bytes, 4, frame.base);
      bytes.set(frame.bits, 10);
      return [bytes];
    }
    case 'ping':
    case 'pong': {
      const bytes = start(frame.kind, 4);
      writeWord(bytes, 4, frame.token);
      return [bytes];
    }
    case 'bye': {
      const bytes = start(frame.kind, frame.body.length);
      bytes.set(frame.body, 4);
      return [bytes];
    }
  }
}

export function bytesOf(pieces: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes;
}

/** Six bytes, as `credit` and `accept` have them. */
export function encodeNumber(value: number): Uint8Array {
  const bytes = new Uint8Array(6);
  writeNumber(bytes, 0, value);
  return bytes;
}

function headOf(frame: NumberedFrame): Uint8Array {
  const bytes = new Uint8Array(4 + numberedHeadBytes);
  const length = numberedHeadBytes + bytesOf(frame.body);
  bytes[0] = kindCodes[frame.kind] | (frame.answer ? answerBit : 0);
  writeLength(bytes, length);
  writeNumber(bytes, 4, frame.number);
  writeWord(bytes, 10, frame.channel);
  writeWord(bytes, 14, frame.place);
  return bytes;
}

function start(kind: keyof typeof kindCodes, length: number): Uint8Array {
  const bytes = new Uint8Array(4 + length);
  bytes[0] = kindCodes[kind];
  writeLength(bytes, length);
  return bytes;
}

function writeLength(bytes: Uint8Array, length: number): void {
  bytes[1] = length >>> 16;
  bytes[2] = length >>> 8;
  bytes[3] = length;
}

function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function writeNumber(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  writeWord(bytes, at + 2, value % 0x1_0000_0000);
}
