import { DockError } from '../../protocol/dock-error.ts';
import { type AddressKey, keyOfBytes } from '../system/network/ip-address.ts';

const ethernetHeaderBytes = 14;
const etherTypes = { ipv4: 0x0800, ipv6: 0x86dd } as const;
const ipv6HeaderBytes = 40;

export interface PacketAddresses {
  readonly source: AddressKey;
  readonly destination: AddressKey;
}

/**
 * Reads who sends an IP packet to whom. Throws `protocol` for bytes that are not exactly one IPv4 or IPv6 packet, as
 * its own header says.
 */
export function packetAddresses(packet: Uint8Array): PacketAddresses {
  if (packet.length !== packetLength(packet)) {
    throw new DockError('protocol', `${packet.length} bytes that are not one whole IP packet`);
  }
  const [from, size] = packet[0] !== undefined && packet[0] >> 4 === 4 ? [12, 4] : [8, 16];
  return {
    source: keyOfBytes(packet.subarray(from, from + size)),
    destination: keyOfBytes(packet.subarray(from + size, from + 2 * size)),
  };
}

/** The IP packet in an Ethernet frame, without the padding of short frames; undefined where there is none. */
export function packetOfFrame(frame: Uint8Array): Uint8Array | undefined {
  const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
  if (type !== etherTypes.ipv4 && type !== etherTypes.ipv6) return undefined;
  const payload = frame.subarray(ethernetHeaderBytes);
  const length = packetLength(payload);
  return length === undefined || length > payload.length ? undefined : payload.subarray(0, length);
}

/** Puts an IP packet, which `packetAddresses` has accepted, into an Ethernet frame. */
export function frameOfPacket(packet: Uint8Array, to: Uint8Array, from: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ethernetHeaderBytes + packet.length);
  const type = (packet[0] ?? 0) >> 4 === 4 ? etherTypes.ipv4 : etherTypes.ipv6;
  frame.set(to, 0);
  frame.set(from, 6);
  frame.set([type >> 8, type & 0xff], 12);
  frame.set(packet, ethernetHeaderBytes);
  return frame;
}

/** Whether an address is of one host: not a group's, a broadcast, the unspecified one or a loopback. */
export function isUnicast(address: AddressKey): boolean {
  if (address.length === 32) return !/^(?:ff|0{31}[01]$|fe[89ab])/.test(address);
  const first = Number.parseInt(address.slice(0, 2), 16);
  return first !== 0 && first !== 127 && first < 224;
}

/** RFC 791 and RFC 8200; undefined for what is neither, or too short to say. Jumbograms (RFC 2675) are not carried. */
function packetLength(bytes: Uint8Array): number | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && bytes.length >= 20) {
    const length = ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
    return length >= 20 ? length : undefined;
  }
  if (version !== 6 || bytes.length < ipv6HeaderBytes) return undefined;
  return ipv6HeaderBytes + (((bytes[4] ?? 0) << 8) | (bytes[5] ?? 0));
}
