import { type AddressKey, bytesOfKey, keyOfBytes } from '../system/network/ip-address.ts';

/** "Who has this address?", as ARP (RFC 826) or as a neighbour solicitation (RFC 4861, 4.3). */
export interface NeighbourQuestion {
  readonly target: AddressKey;
  readonly asker: AddressKey;
  readonly askerMac: Uint8Array;
}

const ethernetHeaderBytes = 14;
const icmpv6 = 58;
const solicitation = 135;
const advertisement = 136;

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
export function answerNeighbour(question: NeighbourQuestion, mac: Uint8Array): Uint8Array {
  return question.target.length === 8 ? arpReply(question, mac) : neighbourAdvertisement(question, mac);
}

function arpReply({ target, asker, askerMac }: NeighbourQuestion, mac: Uint8Array): Uint8Array {
  const frame = new Uint8Array(60);
  frame.set(askerMac, 0);
  frame.set(mac, 6);
  frame.set([0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x02], 12);
  frame.set(mac, 22);
  frame.set(bytesOfKey(target), 28);
  frame.set(askerMac, 32);
  frame.set(bytesOfKey(asker), 38);
  return frame;
}

/** Solicited, overriding, with the target's link-layer address as its option (RFC 4861, 4.4). */
function neighbourAdvertisement({ target, asker, askerMac }: NeighbourQuestion, mac: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ethernetHeaderBytes + 40 + 32);
  frame.set(askerMac, 0);
  frame.set(mac, 6);
  frame.set([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, icmpv6, 255], 12);
  frame.set(bytesOfKey(target), 22);
  frame.set(bytesOfKey(asker), 38);
  const message = frame.subarray(54);
  message.set([advertisement, 0, 0, 0, 0x60, 0, 0, 0], 0);
  message.set(bytesOfKey(target), 8);
  message.set([2, 1, ...mac], 24);
  const sum = internetChecksum([frame.subarray(22, 54), [0, 0, 0, 32, 0, 0, 0, icmpv6], message]);
  message.set([sum >> 8, sum & 0xff], 2);
  return frame;
}

/** RFC 1071, over parts of even length. */
function internetChecksum(parts: readonly ArrayLike<number>[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) sum += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
