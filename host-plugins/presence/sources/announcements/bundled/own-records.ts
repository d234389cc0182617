import { serviceType } from '../responder.ts';
import { type DnsMessage, type DnsRecord, isSameName, recordKey } from './dns-message.ts';

export const typeName = `${serviceType}.local`;
/** How long others may keep what can change with the host, and the rest (RFC 6762, 10), s. */
const [hostTtlS, otherTtlS] = [120, 4500];

export interface OwnService {
  /** Of the service, without its type. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly addresses: readonly string[];
  readonly txt: readonly string[];
}

/** What an announcement consists of (RFC 6763). */
export function ownRecords({ name, host, port, addresses, txt }: OwnService): DnsRecord[] {
  const instance = `${name}.${typeName}`;
  const unique = true;
  return [
    { type: 'PTR', name: typeName, target: instance, ttlS: otherTtlS, unique: false },
    { type: 'SRV', name: instance, host, port, ttlS: hostTtlS, unique },
    { type: 'TXT', name: instance, strings: txt, ttlS: otherTtlS, unique },
    ...addresses.map((address): DnsRecord => {
      const type = address.includes(':') ? 'AAAA' : 'A';
      return { type, name: host, address, ttlS: hostTtlS, unique };
    }),
  ];
}

/**
 * Whether a query asks for any of the records that its sender does not have for long enough (RFC 6762, 7.1). Who asks for one is
 * told all: they would ask for the others next.
 */
export function isAskedFor(records: readonly DnsRecord[], query: DnsMessage): boolean {
  const known = new Map(query.records.map((record) => [recordKey(record), record.ttlS]));
  return records.some(
    (record) =>
      query.questions.some(
        ({ name, type }) => isSameName(name, record.name) && (type === 'ANY' || type === record.type),
      ) && (known.get(recordKey(record)) ?? 0) < record.ttlS / 2,
  );
}

/** Takes back what was announced (RFC 6762, 10.1). */
export function goodbye(records: readonly DnsRecord[]): DnsRecord[] {
  return records.map((record) => ({ ...record, ttlS: 0 }));
}
