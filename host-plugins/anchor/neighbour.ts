import { type AddressKey, bytesOfKey, keyOfBytes } from '../system/network/ip-address.ts';
import { buildNeighbourAnswer } from '../system/network/neighbour-frames.ts';

/** "Who has this address?", as ARP (RFC 826) or as a neighbour solicitation (RFC 4861, 4.3). */
export interface NeighbourQuestion {
  readonly target: AddressKey;
  readonly asker: AddressKey;
  readonly askerMac: Uint8Array;
}

const ethernetHeaderBytes = 14;
const icmpv6 = 58;
const solicitation = 135;

/** Undefined for a frame that asks no such thing. */
export function readNeighbourQuestion(frame: Uint8Array): NeighbourQuestion | undefined {
  const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
  const payload = frame.subarray(ethernetHeaderBytes);
  const askerMac = frame.slice(6, 12);
  if (type === 0x0806 && payload.length >= 28 && payload[6] === 0 && payload[7] === 1) {
    return {
      asker: keyOfBytes(payload.subarray(14, 18)),
      target: keyOfBytes(payload.subarray(24, 28)),
      askerMac,
    };
  }
  if (type === 0x86dd && payload.length >= 64 && payload[6] === icmpv6 && payload[40] === solicitation) {
    return {
      asker: keyOfBytes(payload.subarray(8, 24)),
      target: keyOfBytes(payload.subarray(48, 64)),
      askerMac,
    };
  }
  return undefined;
}

/** The frame that says: the address that was asked for is at `mac`. */
export function answerNeighbour({ target, asker, askerMac }: NeighbourQuestion, mac: Uint8Array): Uint8Array {
  return buildNeighbourAnswer(
    { mac, address: bytesOfKey(target) },
    { mac: askerMac, address: bytesOfKey(asker) },
  );
}
