import { addressKey, bytesOfKey } from '../../../host-plugins/system/network/ip-address.ts';

/** An IP packet with this payload, checksums aside. */
export function ipPacket(
  source: string,
  destination: string,
  payload: Uint8Array = new Uint8Array(8),
): Uint8Array {
  const from = bytesOfKey(addressKey(source) ?? '');
  const to = bytesOfKey(addressKey(destination) ?? '');
  if (from.length === 4) {
    const length = 20 + payload.length;
    const head = [0x45, 0, length >> 8, length & 0xff, 0, 0, 0, 0, 64, 17, 0, 0];
    return Uint8Array.from([...head, ...from, ...to, ...payload]);
  }
  const head = [0x60, 0, 0, 0, payload.length >> 8, payload.length & 0xff, 17, 64];
  return Uint8Array.from([...head, ...from, ...to, ...payload]);
}
