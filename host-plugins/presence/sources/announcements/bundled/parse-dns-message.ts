import {
  type DnsData,
  type DnsMessage,
  type DnsQuestion,
  type DnsRecord,
  typeNumbers,
} from './dns-message.ts';

const headerBytes = 12;
/** QR and the opcode of the second header word (RFC 1035, 4.1.1). */
const [response, opcode] = [0x8000, 0x7800];
const internet = 1;
/** In a record's class the cache-flush bit, in a question's that an answer by unicast will do (RFC 6762, 18.12 and 18.13). */
const topBit = 0x8000;
/** A label's first two bits: the rest points to where the name goes on (RFC 1035, 4.1.4). */
const pointer = 0xc0;
const maxNameBytes = 255;

/** The message is cut off, or not what it says. */
class Malformed extends Error {}

/**
 * A message that anybody may have sent; undefined for what is none. Questions and records that have nothing to do with
 * finding services, and names with other characters than ours have, are passed over. It takes time and memory in proportion to
 * its length: names point back only, and are bounded.
 */
export function parseDnsMessage(bytes: Uint8Array): DnsMessage | undefined {
  try {
    return readMessage(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    // A DataView throws RangeError for what lies outside of it.
    if (error instanceof RangeError || error instanceof Malformed) return undefined;
    throw error;
  }
}

function readMessage(view: DataView): DnsMessage {
  const flags = view.getUint16(2);
  if ((flags & opcode) !== 0) throw new Malformed();
  const count = (word: number) => view.getUint16(4 + 2 * word);
  const questions: DnsQuestion[] = [];
  const records: DnsRecord[] = [];
  let at = headerBytes;
  for (let left = count(0); left > 0; left--) {
    const { name, end } = readName(view, at);
    const type = typeOf(view.getUint16(end));
    const isInternet = (view.getUint16(end + 2) & ~topBit) === internet;
    if (name !== undefined && type !== undefined && isInternet) questions.push({ name, type });
    at = end + 4;
  }
  for (let left = count(1) + count(2) + count(3); left > 0; left--) {
    const { record, end } = readRecord(view, at);
    if (record !== undefined) records.push(record);
    at = end;
  }
  return { isResponse: (flags & response) !== 0, questions, records };
}

function readRecord(view: DataView, at: number): { record: DnsRecord | undefined; end: number } {
  const { name, end: fixed } = readName(view, at);
  const type = typeOf(view.getUint16(fixed));
  const group = view.getUint16(fixed + 2);
  const ttlS = view.getUint32(fixed + 4);
  const from = fixed + 10;
  const end = from + view.getUint16(fixed + 8);
  if (end > view.byteLength) throw new Malformed();
  if (name === undefined || type === undefined || (group & ~topBit) !== internet) {
    return { record: undefined, end };
  }
  const data = readData(view, type, from, end);
  const record = data && { ...data, name, ttlS, unique: (group & topBit) !== 0 };
  return { record, end };
}

function readData(view: DataView, type: DnsQuestion['type'], at: number, end: number): DnsData | undefined {
  const byteAt = (index: number) => view.getUint8(at + index);
  switch (type) {
    case 'PTR': {
      const { name: target } = readName(view, at);
      return target === undefined ? undefined : { type, target };
    }
    case 'SRV': {
      const { name: host } = readName(view, at + 6);
      return host === undefined ? undefined : { type, host, port: view.getUint16(at + 4) };
    }
    case 'TXT':
      return { type, strings: readStrings(view, at, end) };
    case 'A':
      return end - at === 4
        ? { type, address: Array.from({ length: 4 }, (_, index) => byteAt(index)).join('.') }
        : undefined;
    case 'AAAA': {
      if (end - at !== 16) return undefined;
      const words = Array.from({ length: 8 }, (_, index) => view.getUint16(at + 2 * index).toString(16));
      return { type, address: words.join(':').replace(/(?:^|:)0(?::0)+(?::|$)/, '::') };
    }
    case 'ANY':
      return undefined;
  }
}

function readStrings(view: DataView, at: number, end: number): string[] {
  const strings: string[] = [];
  while (at < end) {
    const length = view.getUint8(at);
    if (at + 1 + length > end) throw new Malformed();
    strings.push(readText(view, at + 1, length));
    at += 1 + length;
  }
  return strings;
}

/** `name` is undefined where it has other characters than ours; `end`: where what follows the name begins. */
function readName(view: DataView, at: number): { name: string | undefined; end: number } {
  const labels: string[] = [];
  let end: number | undefined;
  let bytes = 0;
  for (let next = at; ; ) {
    const length = view.getUint8(next);
    if (length === 0) {
      const name = labels.every((label) => /^[\w-]+$/.test(label)) ? labels.join('.') : undefined;
      return { name, end: end ?? next + 1 };
    }
    if ((length & pointer) === pointer) {
      const target = view.getUint16(next) & ~(pointer << 8);
      end ??= next + 2;
      // Only back, and so at most once to each place.
      if (target >= at) throw new Malformed();
      at = target;
      next = target;
      continue;
    }
    bytes += length + 1;
    if ((length & pointer) !== 0 || bytes > maxNameBytes) throw new Malformed();
    labels.push(readText(view, next + 1, length));
    next += length + 1;
  }
}

function readText(view: DataView, at: number, length: number): string {
  return Array.from({ length }, (_, index) => String.fromCharCode(view.getUint8(at + index))).join('');
}

const types = new Map(Object.entries(typeNumbers).map(([type, number]) => [number as number, type]));

function typeOf(number: number): DnsQuestion['type'] | undefined {
  return types.get(number) as DnsQuestion['type'] | undefined;
}
