import { DockError } from './dock-error.ts';

/**
 * The frame of the agent's port: magic `WDK1`, length of the payload (u32, big-endian), CRC-32 of the payload
 * (u32, big-endian), payload (UTF-8 JSON). A move can cut a frame off in its middle or repeat a part of one, so a
 * reader that meets anything else looks for the next magic and goes on from there; the CRC makes a frame that was
 * stitched together of two halves an error instead of a message.
 */
export const maxAgentPayloadBytes = 256 * 1024;
const magic = [0x57, 0x44, 0x4b, 0x31] as const;
const headerBytes = 12;

const crcTable = /* @__PURE__ */ (() => {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    table[n] = c;
  }
  return table;
})();

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Throws `protocol` when the message is longer than `maxAgentPayloadBytes`. */
export function encodeAgentFrame(message: unknown): Uint8Array {
  const payload = new TextEncoder().encode(JSON.stringify(message));
  if (payload.length > maxAgentPayloadBytes) {
    throw new DockError(
      'protocol',
      `an agent message of ${payload.length} bytes is longer than the ${maxAgentPayloadBytes} that a frame holds`,
    );
  }
  const frame = new Uint8Array(headerBytes + payload.length);
  const view = new DataView(frame.buffer);
  frame.set(magic);
  view.setUint32(4, payload.length);
  view.setUint32(8, crc32(payload));
  frame.set(payload, headerBytes);
  return frame;
}

/**
 * Incremental reader. `push` returns the messages that became whole, parsed from JSON and otherwise unchecked.
 * Never throws: `discardedBytes` counts what was skipped while looking for a frame. Holds at most one frame.
 */
export class AgentFrameReader {
  #held = new Uint8Array(0);
  discardedBytes = 0;

  push(chunk: Uint8Array): unknown[] {
    let bytes: Uint8Array = new Uint8Array(this.#held.length + chunk.length);
    bytes.set(this.#held);
    bytes.set(chunk, this.#held.length);
    const messages: unknown[] = [];
    for (;;) {
      const start = findMagic(bytes);
      this.discardedBytes += start;
      bytes = bytes.subarray(start);
      if (bytes.length < headerBytes) break;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const length = view.getUint32(4);
      if (length > maxAgentPayloadBytes) {
        bytes = this.#skip(bytes);
        continue;
      }
      if (bytes.length < headerBytes + length) {
        // A frame that was cut off by a move would wait for its rest for ever and swallow the frames after it:
        // where a whole frame already stands behind this beginning, the rest is not going to come in order.
        // (No payload can look like that: the length in a header has a byte that JSON text never has.)
        const next = this.#findWhole(bytes);
        if (next === undefined) break;
        this.discardedBytes += next;
        bytes = bytes.subarray(next);
        continue;
      }
      const payload = bytes.subarray(headerBytes, headerBytes + length);
      const message = crc32(payload) === view.getUint32(8) ? parse(payload) : undefined;
      if (message === undefined) {
        bytes = this.#skip(bytes);
        continue;
      }
      messages.push(message.value);
      bytes = bytes.subarray(headerBytes + length);
    }
    this.#held = bytes.slice();
    return messages;
  }

  #skip(bytes: Uint8Array): Uint8Array {
    this.discardedBytes += 1;
    return bytes.subarray(1);
  }

  /** Index of the first whole frame behind the first byte. */
  #findWhole(bytes: Uint8Array): number | undefined {
    for (let at = 1; at + headerBytes <= bytes.length; at++) {
      at += findMagic(bytes.subarray(at));
      if (at + headerBytes <= bytes.length && this.#wholeAt(bytes, at)) return at;
    }
    return undefined;
  }

  #wholeAt(bytes: Uint8Array, at: number): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.byteLength - at);
    const length = view.getUint32(4);
    if (length > maxAgentPayloadBytes || bytes.length < at + headerBytes + length) return false;
    return crc32(bytes.subarray(at + headerBytes, at + headerBytes + length)) === view.getUint32(8);
  }
}

/** Index of the first magic, or of a beginning of one at the end, or the length. */
function findMagic(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; at++) {
    let matched = 0;
    while (matched < magic.length && at + matched < bytes.length && bytes[at + matched] === magic[matched])
      matched++;
    if (matched === magic.length || (matched > 0 && at + matched === bytes.length)) return at;
  }
  return bytes.length;
}

function parse(payload: Uint8Array): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)) as unknown };
  } catch {
    return undefined;
  }
}
