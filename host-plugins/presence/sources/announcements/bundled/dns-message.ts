/** Of multicast DNS (RFC 6762), what finding services takes. Names are labels with dots between, as `pc.local`. */
export interface DnsMessage {
  readonly isResponse: boolean;
  readonly questions: readonly DnsQuestion[];
  /** All sections together: of a response what it says, of a query what its sender knows already. */
  readonly records: readonly DnsRecord[];
}

export interface DnsQuestion {
  readonly name: string;
  readonly type: RecordType | 'ANY';
}

export type DnsRecord = DnsData & {
  readonly name: string;
  /** 0: it is not so any more (10.1). */
  readonly ttlS: number;
  /** Only one host has records of this name and type: older ones are void (the cache-flush bit, 10.2). */
  readonly unique: boolean;
};

export type DnsData =
  | { readonly type: 'PTR'; readonly target: string }
  | { readonly type: 'SRV'; readonly host: string; readonly port: number }
  | { readonly type: 'TXT'; readonly strings: readonly string[] }
  | { readonly type: 'A'; readonly address: string }
  | { readonly type: 'AAAA'; readonly address: string };

export type RecordType = DnsData['type'];

/** IANA's numbers of the types, and of ANY. */
export const typeNumbers = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, ANY: 255 } as const;

/** Names are the same whatever the case of their letters (RFC 1035, 2.3.3). */
export function isSameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** The same for records that say the same, however long it holds. */
export function recordKey(record: DnsRecord): string {
  return `${record.type} ${record.name.toLowerCase()} ${dataKey(record)}`;
}

function dataKey(data: DnsData): string {
  switch (data.type) {
    case 'PTR':
      return data.target.toLowerCase();
    case 'SRV':
      return `${data.host.toLowerCase()}:${data.port}`;
    case 'TXT':
      return JSON.stringify(data.strings);
    case 'A':
    case 'AAAA':
      return data.address;
  }
}
