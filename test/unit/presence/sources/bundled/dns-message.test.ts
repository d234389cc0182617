import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  DnsMessage,
  DnsRecord,
} from '../../../../../host-plugins/presence/sources/announcements/bundled/dns-message.ts';
import { formatDnsMessage } from '../../../../../host-plugins/presence/sources/announcements/bundled/format-dns-message.ts';
import { parseDnsMessage } from '../../../../../host-plugins/presence/sources/announcements/bundled/parse-dns-message.ts';

const bytes = (...parts: readonly (number | string)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...Buffer.from(part)])));

const header = (isResponse: boolean, questions: number, records: number) => [
  ...[0, 0, isResponse ? 0x84 : 0, 0],
  ...[0, questions, 0, records, 0, 0, 0, 0],
];

const label = fc.stringMatching(/^[\w-]{1,20}$/);
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const common = { name, ttlS: fc.nat(0xffffffff), unique: fc.boolean() };
const octet = fc.nat(255);
const record: fc.Arbitrary<DnsRecord> = fc.oneof(
  fc.record({ type: fc.constant('PTR' as const), target: name, ...common }),
  fc.record({ type: fc.constant('SRV' as const), host: name, port: fc.nat(65535), ...common }),
  fc.record({
    type: fc.constant('TXT' as const),
    strings: fc.array(fc.stringMatching(/^[ -~]{0,250}$/), { maxLength: 3 }),
    ...common,
  }),
  fc.record({
    type: fc.constant('A' as const),
    address: fc.tuple(octet, octet, octet, octet).map((four) => four.join('.')),
    ...common,
  }),
  fc.record({
    type: fc.constant('AAAA' as const),
    address: fc.constantFrom('fe80::1', '2001:db8:0:1::', '::1', '1:2:3:4:5:6:7:8'),
    ...common,
  }),
);
const question = fc.record({ name, type: fc.constantFrom('PTR', 'ANY', 'A', 'AAAA', 'SRV', 'TXT') });
const message: fc.Arbitrary<DnsMessage> = fc.record({
  isResponse: fc.boolean(),
  questions: fc.array(question, { maxLength: 4 }),
  records: fc.array(record, { maxLength: 6 }),
});

describe('a message of multicast DNS', () => {
  it.each<[string, readonly (number | string)[]]>([
    ['nothing', []],
    ['half a header', [0, 0, 0x84]],
    ['a name that does not end', [...header(false, 1, 0), 63, 'x']],
    ['a name that points to itself', [...header(false, 1, 0), 0xc0, 12, 0, 12, 0, 1]],
    ['a name that points forward', [...header(false, 1, 0), 0xc0, 14, 0, 0, 12, 0, 1]],
    ['a label of a reserved kind', [...header(false, 1, 0), 0x80, 0, 0, 12, 0, 1]],
    ['more questions than it has', [...header(false, 2, 0), 1, 'a', 0, 0, 12, 0, 1]],
    [
      'data that goes beyond its end',
      [...header(true, 0, 1), 1, 'a', 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 5, 1, 2, 3, 4],
    ],
    [
      'a string that goes beyond its record',
      [...header(true, 0, 1), 1, 'a', 0, 0, 16, 0, 1, 0, 0, 0, 9, 0, 2, 5, 1, 1, 1, 1, 1],
    ],
    ['another operation than a query', [0, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
  ])('is none with %s', (_what, parts) => {
    expect(parseDnsMessage(bytes(...parts))).toBeUndefined();
  });

  it('is read or refused, whatever its bytes, and never fails', () => {
    fc.assert(
      fc.property(
        message,
        fc.array(fc.tuple(fc.nat(400), octet), { maxLength: 8 }),
        fc.nat(600),
        (sent, spoilt, cut) => {
          const raw = formatDnsMessage(sent).slice(0, 600 - cut);
          for (const [at, value] of spoilt) if (at < raw.length) raw[at] = value;
          parseDnsMessage(raw);
        },
      ),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (raw) => void parseDnsMessage(raw)));
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(parseDnsMessage(formatDnsMessage(sent))).toEqual(sent);
      }),
    );
  });

  it('is read with names that go on where another one does, as Avahi writes them', () => {
    const type = [13, '_wireless-dock', 4, '_tcp', 5, 'local', 0];
    type[0] = 14; // with its underscore
    const pointer = [0xc0, 12];
    const target = [1, 'x', ...pointer];
    expect(
      parseDnsMessage(
        bytes(...header(true, 0, 1), ...type, 0, 12, 0, 1, 0, 0, 0x11, 0x94, 0, target.length, ...target),
      ),
    ).toEqual({
      isResponse: true,
      questions: [],
      records: [
        {
          type: 'PTR',
          name: '_wireless-dock._tcp.local',
          target: 'x._wireless-dock._tcp.local',
          ttlS: 4500,
          unique: false,
        },
      ],
    });
  });

  it('is read without what is none of ours: other types and classes, and names with other characters', () => {
    const rest = [0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1];
    expect(
      parseDnsMessage(
        bytes(
          ...header(true, 0, 4),
          ...[1, 'a', 0, 0, 1, 0, 3, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1], // CHAOS
          ...[1, 'b', 0, 0, 13, ...rest], // HINFO
          ...[3, 'c d', 0, 0, 1, ...rest],
          ...[1, 'e', 0, 0, 1, ...rest],
        ),
      )?.records,
    ).toEqual([{ type: 'A', name: 'e', address: '192.0.2.1', ttlS: 9, unique: false }]);
  });
});
