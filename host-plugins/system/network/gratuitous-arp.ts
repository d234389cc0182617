const broadcast = 'ff:ff:ff:ff:ff:ff';
/** Without the frame check sequence; shorter frames are padded by real network cards, and not by virtual ones. */
const minFrameBytes = 60;

/**
 * An Ethernet frame that says "this address is at this hardware address" to everybody: the ARP announcement of
 * RFC 5227 (a request for the own address), which makes every neighbour that knows the address take the new
 * place at once. Throws RangeError when `mac` or `ip` (IPv4, no prefix length) is none.
 */
export function buildGratuitousArp(mac: string, ip: string): Uint8Array {
  const sender = macBytes(mac);
  const address = ipv4Bytes(ip);
  const frame = new Uint8Array(minFrameBytes);
  frame.set(macBytes(broadcast), 0);
  frame.set(sender, 6);
  frame.set([0x08, 0x06], 12); // EtherType ARP
  frame.set([0x00, 0x01, 0x08, 0x00, 6, 4], 14); // Ethernet, IPv4, their lengths
  frame.set([0x00, 0x01], 20); // request
  frame.set(sender, 22);
  frame.set(address, 28);
  // The target's hardware address (32 to 37) is ignored in an announcement and stays zero.
  frame.set(address, 38);
  return frame;
}

function macBytes(mac: string): number[] {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) throw new RangeError(`"${mac}" is no hardware address`);
  return mac.split(':').map((byte) => Number.parseInt(byte, 16));
}

function ipv4Bytes(ip: string): number[] {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(ip)?.slice(1).map(Number);
  if (parts?.some((part) => part > 255) !== false) throw new RangeError(`"${ip}" is no IPv4 address`);
  return parts;
}

/** `192.0.2.7/24` → `192.0.2.7`; drops what is not IPv4, which this issue of the network does not carry. */
export function ipv4Addresses(withPrefixes: readonly string[]): string[] {
  return withPrefixes
    .map((address) => address.split('/')[0] ?? '')
    .filter((address) => {
      try {
        return ipv4Bytes(address).length === 4;
      } catch {
        return false;
      }
    });
}
