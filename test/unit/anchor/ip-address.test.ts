import { describe, expect, it } from 'vitest';
import {
  addressKey,
  bytesOfKey,
  isInSubnet,
  withoutPrefix,
} from '../../../host-plugins/system/network/ip-address.ts';

describe('an address as a key', () => {
  it.each([
    '',
    '10.77.0',
    '10.77.0.256',
    '10.77.0.50/24',
    '10.77.0.50 ',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '1:2:3:4:5:6:7:8::',
    'fd00::10000',
    'fe80::1%eth0',
    ':::',
  ])('is not made of %j', (text) => {
    expect(addressKey(text)).toBeUndefined();
  });

  it('is the same for every spelling', () => {
    const key = '2001'.concat('0db8', '0000'.repeat(5), '0001');
    for (const text of ['2001:db8::1', '2001:DB8:0:0:0:0:0:1', '2001:0db8:0000::0000:0001']) {
      expect(addressKey(text)).toBe(key);
    }
    expect(addressKey('::')).toBe('0'.repeat(32));
    expect(addressKey('10.77.0.50')).toBe('0a4d0032');
    expect([...bytesOfKey('0a4d0032')]).toEqual([10, 77, 0, 50]);
  });
});

describe('a subnet', () => {
  it.each([
    ['10.77.0.50', '10.77.0.11/24', true],
    ['10.77.0.50/24', '10.77.0.11/24', true],
    ['10.77.1.50', '10.77.0.11/24', false],
    ['10.77.1.50', '10.77.0.11/23', true],
    ['fd00:77::50', 'fd00:77::11/64', true],
    ['fd00:78::50', 'fd00:77::11/64', false],
    ['10.77.0.50', 'fd00:77::11/64', false],
    ['10.77.0.50', '10.77.0.11', false],
    ['nonsense', '10.77.0.11/24', false],
  ])('has %s in %s: %j', (address, subnet, inside) => {
    expect(isInSubnet(address, subnet)).toBe(inside);
  });

  it('is dropped from an address by taking off its length', () => {
    expect(withoutPrefix('fd00:77::11/64')).toBe('fd00:77::11');
    expect(withoutPrefix('10.77.0.11')).toBe('10.77.0.11');
  });
});
