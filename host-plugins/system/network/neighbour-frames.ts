import { addressKey, bytesOfKey } from './ip-address.ts';

const ethernetHeaderBytes = 14;
/** Without the frame check sequence; shorter frames are padded by real network cards, and not by virtual ones. */
const minFrameBytes = 60;

/**
 * The Ethernet frame that says "this address is at this hardware address" to everybody, and makes every neighbour that
 * knows the address take the new place at once. IPv4: the ARP announcement of RFC 5227. IPv6: the unsolicited neighbour
 * advertisement of RFC 4861, 7.2.6. Throws RangeError when `mac` or `address` (no prefix length) is none.
 */
export function buildAnnouncement(mac: string, address: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) throw new RangeError(`"${mac}" is no hardware address`);
  const key = addressKey(address);
  if (key === undefined) throw new RangeError(`"${address}" is no IP address`);
  const sender = mac.split(':').map((byte) => Number.parseInt(byte, 16));
  const bytes = bytesOfKey(key);
  return bytes.length === 4 ? arpAnnouncement(sender, bytes) : neighbourAdvertisement(sender, bytes);
}

/** A request for the own address. */
function arpAnnouncement(mac: readonly number[], address: Uint8Array): Uint8Array {
  const frame = new Uint8Array(minFrameBytes);
  frame.fill(0xff, 0, 6); // to all
  frame.set(mac, 6);
  frame.set([0x08, 0x06], 12); // EtherType ARP
  frame.set([0x00, 0x01, 0x08, 0x00, 6, 4], 14); // Ethernet, IPv4, their lengths
  frame.set([0x00, 0x01], 20); // request
  frame.set(mac, 22);
  frame.set(address, 28);
  // The target's hardware address (32 to 37) is ignored in an announcement and stays zero.
  frame.set(address, 38);
  return frame;
}

const allNodes = [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const icmpv6 = 58;
/** Advertisement and target (RFC 4861, 4.4), with the option of the target's link-layer address. */
const advertisementBytes = 24 + 8;

function neighbourAdvertisement(mac: readonly number[], address: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ethernetHeaderBytes + 40 + advertisementBytes);
  frame.set([0x33, 0x33, 0, 0, 0, 1], 0); // all nodes, as Ethernet has them (RFC 2464, 7)
  frame.set(mac, 6);
  frame.set([0x86, 0xdd], 12); // EtherType IPv6
  const packet = frame.subarray(ethernetHeaderBytes);
  packet.set([0x60, 0, 0, 0, 0, advertisementBytes, icmpv6, 255], 0); // hop limit 255: it comes from this link
  packet.set(address, 8);
  packet.set(allNodes, 24);
  const message = packet.subarray(40);
  message.set([136, 0, 0, 0, 0x20, 0, 0, 0], 0); // neighbour advertisement; override, not solicited, no router
  message.set(address, 8);
  message.set([2, 1, ...mac], 24);
  const sum = checksum([packet.subarray(8, 40), [0, 0, 0, advertisementBytes, 0, 0, 0, icmpv6], message]);
  message.set([sum >> 8, sum & 0xff], 2);
  return frame;
}

/** The internet checksum (RFC 1071) of parts that each have an even length. */
function checksum(parts: readonly ArrayLike<number>[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) sum += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** `192.0.2.7/24` → `192.0.2.7`, IPv4 and IPv6; drops what belongs to one link only, and what is no address. */
export function lanAddresses(withPrefixes: readonly string[]): string[] {
  return withPrefixes
    .map((address) => address.split('/')[0] ?? '')
    .filter((address) => addressKey(address) !== undefined && !/^(?:fe[89ab].:|169\.254\.)/i.test(address));
}
