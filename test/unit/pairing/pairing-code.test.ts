import { describe, expect, it } from 'vitest';
import {
  encodePairingLink,
  formatPairingCode,
  makePairingCode,
  parsePairingCode,
  parsePairingLink,
} from '../../../host-plugins/pairing/pairing-code.ts';
import { secretOfCode } from '../../../host-plugins/pairing/secret-of-code.ts';

describe('a code that a person types', () => {
  it.each(['', '12345', '1234567', '12345a', 'abcdef', '１２３４５６', '123.456'])(
    '%j is refused, without being repeated',
    (text) => {
      expect(() => parsePairingCode(text)).toThrow(/^the code is not one; it has six digits/);
    },
  );

  it.each(['123456', '123 456', ' 123-456\n', '1 2 3 4 5 6'])('%j is 123456', (text) => {
    expect(parsePairingCode(text)).toBe('123456');
  });
});

it('a code that is made has six digits, and is shown in two groups that can be typed', () => {
  for (let n = 0; n < 200; n++) {
    const code = makePairingCode();
    expect(code).toMatch(/^\d{6}$/);
    expect(parsePairingCode(formatPairingCode(code))).toBe(code);
  }
});

describe('the secret of a code', () => {
  const [pc, mid] = ['0a'.repeat(32), '0b'.repeat(32)];

  it('is another one for another code, and on another device', async () => {
    const secrets = await Promise.all([
      secretOfCode('123456', pc),
      secretOfCode('123457', pc),
      secretOfCode('123456', mid),
    ]);
    expect(new Set(secrets).size).toBe(3);
  });

  it('is the same on both devices', async () => {
    expect(await secretOfCode('123456', pc)).toBe(await secretOfCode('123456', pc));
  });
});

describe('the text of a QR code', () => {
  it.each([
    '',
    'wdock:',
    'wdock:pad',
    'wdock:pad/12345',
    'http://pad/123456',
    'wdock:a b/123456',
    'wdock:/123456',
  ])('%j is none', (text) => {
    expect(parsePairingLink(text)).toBeUndefined();
  });

  it.each(['192.0.2.7', '192.0.2.7:7441', '[2001:db8::7]:7441', 'fe80::1%wlan0', 'pad.local'])(
    'keeps the address %s and the code',
    (address) => {
      const text = encodePairingLink(address, '012345');
      expect(parsePairingLink(text)).toEqual({ address, code: '012345' });
      expect(parsePairingLink(`${text.toLowerCase()}\n`)).toEqual({ address, code: '012345' });
    },
  );
});
