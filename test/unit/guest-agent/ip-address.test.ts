import { SocketAddress } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatIPv6,
  linkLocalOf,
  networkOfIPv6,
  parseIPv6,
  sameAddress,
} from '../../../guest-agent/decide/ip-address.ts';

describe('IP addresses', () => {
  it.each([
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    'g::',
    '::1%eth0',
    '10.0.0.1',
  ])('are not read from "%s"', (text) => expect(parseIPv6(text)).toBeUndefined());

  it('are written as the C library writes them, and read back', () => {
    const words = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(words, (some) => {
        // The C library writes an IPv4 end where the rest is zero or says that it is one.
        fc.pre(some.slice(0, 5).some((word) => word !== 0));
        const text = formatIPv6(some);
        expect(text).toBe(
          new SocketAddress({ address: some.map((word) => word.toString(16)).join(':'), family: 'ipv6' })
            .address,
        );
        expect(parseIPv6(text)).toEqual(some);
      }),
    );
  });

  it('have a network, also where its prefix ends within a word', () => {
    expect(networkOfIPv6({ address: 'fd77:1:2:3::50', prefix: 64 })).toBe('fd77:1:2:3::');
    expect(networkOfIPv6({ address: 'fd77:1:2:ffff::50', prefix: 52 })).toBe('fd77:1:2:f000::');
    expect(networkOfIPv6({ address: 'fd77::50', prefix: 128 })).toBe('fd77::50');
    expect(networkOfIPv6({ address: 'fd77::50', prefix: 0 })).toBe('::');
    expect(networkOfIPv6({ address: '10.0.0.1', prefix: 8 })).toBeUndefined();
  });

  it('are the same however they are written', () => {
    expect(sameAddress('fd77:0:0:0:0:0:0:A', 'fd77::a')).toBe(true);
    expect(sameAddress('fd77::a', 'fd77::b')).toBe(false);
    expect(sameAddress('10.0.0.1', '10.0.0.10')).toBe(false);
  });

  it('of the link belong to a hardware address', () => {
    expect(linkLocalOf('de:e3:93:50:bd:f2')).toBe('fe80::dce3:93ff:fe50:bdf2');
    expect(linkLocalOf('02:00:00:00:00:01')).toBe('fe80::ff:fe00:1');
    expect(linkLocalOf('02:00:00:00:00')).toBeUndefined();
  });
});
