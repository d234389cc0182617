/** Of include/net/tcp_states.h, those in which a program may still send or receive. */
const openStates = new Set(['01', '02', '03', '04', '05', '08', '09', '0B']);

/**
 * Local addresses of the open connections in /proc/net/tcp and /proc/net/tcp6, one for each connection, as the kernel
 * has them on x86-64: words of 32 bits, each in the host's order.
 */
export function openLocalAddresses(table: string): string[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local, , state] = line.trim().split(/\s+/);
      const address = local?.split(':')[0];
      return address !== undefined && state !== undefined && openStates.has(state) ? [address] : [];
    });
}

/**
 * How an address is written in those tables: an IPv4 one in the first, and as ::ffff:0:0/96 in the second. Empty for
 * what is no address.
 */
export function inTcpTables(address: string): string[] {
  if (!address.includes(':')) {
    const bytes = address.split('.').map(Number);
    if (bytes.length !== 4 || !bytes.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256))
      return [];
    const word = wordOf(bytes);
    return [word, `${'0'.repeat(16)}FFFF0000${word}`];
  }
  const halves = address.split('::').map((half) => (half === '' ? [] : half.split(':')));
  const [head = [], tail = []] = halves;
  const missing = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0');
  const groups = [...head, ...missing, ...tail].map((group) => Number.parseInt(group, 16));
  if (halves.length > 2 || groups.length !== 8 || groups.some(Number.isNaN)) return [];
  const bytes = groups.flatMap((group) => [group >> 8, group & 0xff]);
  return [[0, 4, 8, 12].map((at) => wordOf(bytes.slice(at, at + 4))).join('')];
}

function wordOf(bytes: readonly number[]): string {
  return [...bytes]
    .reverse()
    .map((byte) => byte.toString(16).padStart(2, '0').toUpperCase())
    .join('');
}
