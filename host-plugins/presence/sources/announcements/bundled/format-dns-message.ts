import { addressKey, bytesOfKey } from '../../../../system/network/ip-address.ts';
import { type DnsMessage, type DnsRecord, typeNumbers } from './dns-message.ts';

/** QR, and AA, which every response has (RFC 6762, 18.4). */
const responseFlags = 0x8400;
const internet = 1;
const cacheFlush = 0x8000;

/**
 * The bytes of a message of ours. Names are written out each time, as every reader takes them: ours make a few hundred
 * bytes.
 */
export function formatDnsMessage({ isResponse, questions, records }: DnsMessage): Uint8Array {
  return Uint8Array.from([
    ...word(0),
    ...word(isResponse ? responseFlags : 0),
    ...word(questions.length),
    ...word(records.length),
    ...word(0),
    ...word(0),
    ...questions.flatMap(({ name, type }) => [
      ...formatName(name),
      ...word(typeNumbers[type]),
      ...word(internet),
    ]),
    ...records.flatMap(formatRecord),
  ]);
}

function formatRecord(record: DnsRecord): number[] {
  const data = formatData(record);
  return [
    ...formatName(record.name),
    ...word(typeNumbers[record.type]),
    ...word(internet | (record.unique ? cacheFlush : 0)),
    ...word(record.ttlS >>> 16),
    ...word(record.ttlS & 0xffff),
    ...word(data.length),
    ...data,
  ];
}

function formatData(record: DnsRecord): number[] {
  switch (record.type) {
    case 'PTR':
      return formatName(record.target);
    case 'SRV':
      // Priority and weight: there is no other to choose.
      return [...word(0), ...word(0), ...word(record.port), ...formatName(record.host)];
    case 'TXT':
      return record.strings.flatMap(counted);
    case 'A':
    case 'AAAA':
      return [...bytesOfKey(addressKey(record.address) ?? '')];
  }
}

function formatName(name: string): number[] {
  return [...name.split('.').flatMap(counted), 0];
}

function counted(text: string): number[] {
  return [text.length, ...Array.from(text, (character) => character.charCodeAt(0))];
}

function word(value: number): [number, number] {
  return [value >>> 8, value & 0xff];
}
