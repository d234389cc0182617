/**
 * An IP address as comparable text: its bytes in lower-case hexadecimal digits, 8 of them for IPv4, 32 for IPv6. One
 * address has many spellings, and only one such key.
 */
export type AddressKey = string;

/** Of an address without prefix length; undefined for what is none. */
export function addressKey(text: string): AddressKey | undefined {
  const bytes = text.includes(':') ? ipv6Bytes(text) : ipv4Bytes(text);
  return bytes === undefined ? undefined : keyOfBytes(bytes);
}

export function keyOfBytes(bytes: ArrayLike<number>): AddressKey {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function bytesOfKey(key: AddressKey): Uint8Array {
  return Uint8Array.from({ length: key.length / 2 }, (_, at) =>
    Number.parseInt(key.slice(2 * at, 2 * at + 2), 16),
  );
}

/** `192.0.2.7/24` → `192.0.2.7` */
export function withoutPrefix(address: string): string {
  return address.split('/')[0] ?? '';
}

/** Whether both are of the same family and `address` lies in the subnet `192.0.2.1/24`. */
export function isInSubnet(address: string, subnet: string): boolean {
  const [network = '', length] = subnet.split('/');
  const a = addressKey(withoutPrefix(address));
  const b = addressKey(network);
  if (a === undefined || b === undefined || a.length !== b.length || length === undefined) return false;
  return binary(a).slice(0, Number(length)) === binary(b).slice(0, Number(length));
}

function binary(key: AddressKey): string {
  return Array.from(key, (digit) => Number.parseInt(digit, 16).toString(2).padStart(4, '0')).join('');
}

function ipv4Bytes(text: string): number[] | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  return parts?.every((part) => part <= 255) === true ? parts : undefined;
}

function ipv6Bytes(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  if (head === undefined) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const words = [
    ...head,
    ...Array.from({ length: tail === undefined ? 0 : missing }, () => '0'),
    ...(tail ?? []),
  ];
  if (!words.every((word) => /^[0-9a-f]{1,4}$/i.test(word))) return undefined;
  return words.flatMap((word) => {
    const value = Number.parseInt(word, 16);
    return [value >> 8, value & 0xff];
  });
}
