import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDeviceAddress, parseDeviceAddress } from '../../../host-plugins/pairing/device-address.ts';

describe("a device's address", () => {
  it.each([
    '',
    ' ',
    ':7440',
    'host:',
    'host:0',
    'host:65536',
    'host:port',
    'a b',
    'http://pc',
    '-rf',
    'pc/../x',
    '[::1',
    '[]:1',
    'x'.repeat(300),
  ])('is not %j', (text) => expect(() => parseDeviceAddress(text)).toThrow(/is not an address/));

  it.each([
    ['pc', 'pc', 7440],
    ['pc.local:99', 'pc.local', 99],
    ['192.0.2.7', '192.0.2.7', 7440],
    ['192.0.2.7:7441', '192.0.2.7', 7441],
    ['2001:db8::7', '2001:db8::7', 7440],
    ['[2001:db8::7]', '2001:db8::7', 7440],
    ['[2001:db8::7]:7441', '2001:db8::7', 7441],
    ['fe80::1%wlan0', 'fe80::1%wlan0', 7440],
  ])('is read from %s', (text, host, port) => expect(parseDeviceAddress(text)).toEqual({ host, port }));

  it('is the same after it was written and read again', () => {
    const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65535 }), (name, port) => {
        const address = { host: name, port };
        expect(parseDeviceAddress(formatDeviceAddress(address))).toEqual(address);
      }),
    );
  });
});
