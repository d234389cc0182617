/** An address with the length of its network's prefix. */
export interface IpAddress {
  readonly address: string;
  readonly prefix: number;
}

export function isIPv6(address: string): boolean {
  return address.includes(':');
}

/** Prefix length of an address that is alone, with no network around it. */
export function alone(address: string): IpAddress {
  return { address, prefix: isIPv6(address) ? 128 : 32 };
}

/** Whether two texts are one address. */
export function sameAddress(one: string, other: string): boolean {
  if (one === other) return true;
  const [words, others] = [parseIPv6(one), parseIPv6(other)];
  return words !== undefined && others !== undefined && words.every((word, at) => word === others[at]);
}

/** The eight words of an IPv6 address; undefined where the text is none. Addresses with a zone or an IPv4 end are none. */
export function parseIPv6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const parts = [...head, ...Array.from({ length: missing }, () => '0'), ...tail];
  if (!parts.every((part) => /^[0-9a-f]{1,4}$/i.test(part))) return undefined;
  return parts.map((part) => Number.parseInt(part, 16));
}

/** Eight words as text, in the form of RFC 5952, which the kernel and NetworkManager write too. */
export function formatIPv6(words: readonly number[]): string {
  let zeros = { at: 0, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (words[at + length] === 0) length++;
    if (length > zeros.length) zeros = { at, length };
  }
  const hex = (some: readonly number[]): string => some.map((word) => word.toString(16)).join(':');
  if (zeros.length === 1) return hex(words);
  return `${hex(words.slice(0, zeros.at))}::${hex(words.slice(zeros.at + zeros.length))}`;
}

/** The network of an IPv6 address; undefined where the text is none. */
export function networkOfIPv6({ address, prefix }: IpAddress): string | undefined {
  const words = parseIPv6(address);
  if (words === undefined) return undefined;
  return formatIPv6(
    words.map((word, at) => {
      const bits = Math.min(16, Math.max(0, prefix - 16 * at));
      return word & (0xffff << (16 - bits)) & 0xffff;
    }),
  );
}

/**
 * The link-local address that belongs to a hardware address (modified EUI-64, RFC 4291 appendix A); undefined where
 * the text is no hardware address.
 */
export function linkLocalOf(mac: string): string | undefined {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac.split(':').map((byte) => Number.parseInt(byte, 16));
  return formatIPv6([0xfe80, 0, 0, 0, ((a ^ 2) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f]);
}

export function isLinkLocal(address: string): boolean {
  return address.startsWith('169.254.') || /^fe[89ab]/i.test(address);
}
