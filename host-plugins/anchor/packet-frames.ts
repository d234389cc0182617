import { DockError } from '../../protocol/dock-error.ts';
import { packetAddresses } from './ip-packet.ts';

/**
 * What two ends of an anchor say to each other over a channel: each message is its length (16 bits, big-endian) and
 * that many bytes. The first byte tells what it is: an IP packet has its version there (4 or 6 in the high half);
 * 0 is the acknowledgement of all bytes of packets and of 2 so far (32 bits, their count modulo 2^32); 1 says that the
 * anchor is over; 2 says nothing, and asks for an acknowledgement.
 */
export type AnchorMessage =
  | {
      readonly kind: 'packet';
      readonly packet: Uint8Array;
      readonly source: string;
      readonly destination: string;
    }
  | { readonly kind: 'acknowledged'; readonly bytes: number }
  | { readonly kind: 'over' }
  | { readonly kind: 'alive' };

/** Both taps have Ethernet's 1500; room is left for larger ones. */
const maxMessageBytes = 9216;
const lengthBytes = 2;

export function encodePacket(packet: Uint8Array): Buffer {
  const message = Buffer.allocUnsafe(messageBytes(packet));
  message.writeUInt16BE(packet.length, 0);
  message.set(packet, lengthBytes);
  return message;
}

/** How many bytes of the channel a packet takes. */
export function messageBytes(packet: Uint8Array): number {
  return lengthBytes + packet.length;
}

export function encodeAcknowledgement(bytes: number): Buffer {
  const message = Buffer.from([0, 5, 0, 0, 0, 0, 0]);
  message.writeUInt32BE(bytes >>> 0, 3);
  return message;
}

export function encodeOver(): Buffer {
  return Buffer.from([0, 1, 1]);
}

export function encodeAlive(): Buffer {
  return Buffer.from([0, 1, 2]);
}

/** Cuts the byte stream into messages. */
export class MessageReader {
  #rest: Buffer = Buffer.alloc(0);

  /** Throws `protocol` for what no honest end sends; the stream is then of no use any more. */
  *read(chunk: Buffer): Generator<AnchorMessage> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = Buffer.alloc(0);
    while (bytes.length >= lengthBytes) {
      const length = bytes.readUInt16BE(0);
      if (length === 0 || length > maxMessageBytes) {
        throw new DockError(
          'protocol',
          `a message of ${length} bytes, where 1 to ${maxMessageBytes} are allowed`,
        );
      }
      if (bytes.length < lengthBytes + length) break;
      const message = bytes.subarray(lengthBytes, lengthBytes + length);
      bytes = bytes.subarray(lengthBytes + length);
      yield parseMessage(message);
    }
    this.#rest = Buffer.from(bytes);
  }

  /** To be called where the stream ends: throws `protocol` when it ends within a message. */
  end(): void {
    if (this.#rest.length === 0) return;
    throw new DockError('protocol', `the channel ended after ${this.#rest.length} bytes of a message`);
  }
}

function parseMessage(message: Buffer): AnchorMessage {
  const [first = 0] = message;
  if (first >> 4 === 4 || first >> 4 === 6) {
    return { kind: 'packet', packet: message, ...packetAddresses(message) };
  }
  if (first === 0 && message.length === 5) return { kind: 'acknowledged', bytes: message.readUInt32BE(1) };
  if (first === 1 && message.length === 1) return { kind: 'over' };
  if (first === 2 && message.length === 1) return { kind: 'alive' };
  throw new DockError('protocol', `a message of an unknown kind (${first}, ${message.length} bytes)`);
}
