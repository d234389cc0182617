import { addressKey, bytesOfKey } from './ip-address.ts';

const ethernetHeaderBytes = 14;
/** Without the frame check sequence; shorter frames are padded by real network cards, and not by virtual ones. */
const minFrameBytes = 60;

const broadcast = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
/** As IPv6 (RFC 4291, 2.7.1) and Ethernet (RFC 2464, 7) have them. */
const allNodes: Neighbour = {
  mac: Uint8Array.of(0x33, 0x33, 0, 0, 0, 1),
  address: Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
};
const icmpv6 = 58;
/** Advertisement and target (RFC 4861, 4.4), with the option of the target's link-layer address. */
const advertisementBytes = 24 + 8;

/** Somebody on the link: hardware address, and IP address of 4 or 16 bytes. */
export interface Neighbour {
  readonly mac: Uint8Array;
  readonly address: Uint8Array;
}

/**
 * The Ethernet frame that says "this address is at this hardware address" to everybody, and makes every neighbour that
 * knows the address take the new place at once. IPv4: the ARP announcement of RFC 5227. IPv6: the unsolicited neighbour
 * advertisement of RFC 4861, 7.2.6. Throws RangeError when `mac` or `address` (no prefix length) is none.
 */
export function buildAnnouncement(mac: string, address: string): Uint8Array {
  const key = addressKey(address);
  const self = { mac: macBytes(mac), address: bytesOfKey(key ?? '') };
  if (key === undefined) throw new RangeError(`"${address}" is no IP address`);
  // The target's hardware address is ignored in an announcement and stays zero.
  return self.address.length === 4
    ? arpFrame('request', self, { mac: new Uint8Array(6), address: self.address }, broadcast)
    : advertisementFrame(self, allNodes, 'unsolicited');
}

/** The frame that tells `asker`, who asked for it, that `self` has this address: ARP reply or neighbour advertisement. */
export function buildNeighbourAnswer(self: Neighbour, asker: Neighbour): Uint8Array {
  return self.address.length === 4
    ? arpFrame('reply', self, asker, asker.mac)
    : advertisementFrame(self, asker, 'solicited');
}

/** Throws RangeError for what is no hardware address. */
export function macBytes(mac: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) throw new RangeError(`"${mac}" is no hardware address`);
  return bytesOfKey(mac.replaceAll(':', ''));
}

function arpFrame(kind: 'request' | 'reply', self: Neighbour, target: Neighbour, to: Uint8Array): Uint8Array {
  const frame = new Uint8Array(minFrameBytes);
  frame.set(to, 0);
  frame.set(self.mac, 6);
  frame.set([0x08, 0x06], 12); // EtherType ARP
  frame.set([0x00, 0x01, 0x08, 0x00, 6, 4], 14); // Ethernet, IPv4, their lengths
  frame.set([0x00, kind === 'request' ? 1 : 2], 20);
  frame.set(self.mac, 22);
  frame.set(self.address, 28);
  frame.set(target.mac, 32);
  frame.set(target.address, 38);
  return frame;
}

function advertisementFrame(self: Neighbour, to: Neighbour, kind: 'solicited' | 'unsolicited'): Uint8Array {
  const frame = new Uint8Array(ethernetHeaderBytes + 40 + advertisementBytes);
  frame.set(to.mac, 0);
  frame.set(self.mac, 6);
  frame.set([0x86, 0xdd], 12); // EtherType IPv6
  const packet = frame.subarray(ethernetHeaderBytes);
  packet.set([0x60, 0, 0, 0, 0, advertisementBytes, icmpv6, 255], 0); // hop limit 255: it comes from this link
  packet.set(self.address, 8);
  packet.set(to.address, 24);
  const message = packet.subarray(40);
  // Neighbour advertisement; override, no router.
  message.set([136, 0, 0, 0, kind === 'solicited' ? 0x60 : 0x20, 0, 0, 0], 0);
  message.set(self.address, 8);
  message.set([2, 1, ...self.mac], 24);
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
