import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { introductionHeaders, readIntroduction } from '../../../host-plugins/pairing/introduction.ts';

const life = '0123456789abcdef0123456789abcdef';

describe('an introduction', () => {
  it('is read as it was said', () => {
    const said = { life, addresses: ['192.0.2.7', '192.0.2.7:7441', '[2001:db8::7]:7441', '2001:db8::7'] };
    expect(readIntroduction(introductionHeaders(said))).toEqual(said);
    expect(readIntroduction(introductionHeaders({ life, addresses: [] }))).toEqual({ life });
  });

  it('says no more addresses than are dialled', () => {
    const addresses = Array.from({ length: 20 }, (_, n) => `192.0.2.${n + 1}`);
    expect(readIntroduction(introductionHeaders({ life, addresses })).addresses).toEqual(
      addresses.slice(0, 8),
    );
  });

  it('names no host that would have to be looked up, and nothing that is no address', () => {
    const addresses = 'pc.local,192.0.2.7,,evil.example:80,192.0.2.8:99999,::1::,192.0.2.9:22';
    expect(readIntroduction({ 'wdock-addresses': addresses })).toEqual({
      addresses: ['192.0.2.7', '192.0.2.9:22'],
    });
  });

  it('is left out where it is not of this shape, whatever comes', () => {
    expect(readIntroduction({ 'wdock-life': 'x'.repeat(32), 'wdock-addresses': undefined })).toEqual({});
    fc.assert(
      fc.property(fc.string(), fc.string(), (anyLife, addresses) => {
        const read = readIntroduction({ 'wdock-life': anyLife, 'wdock-addresses': addresses });
        expect(read.life ?? life).toMatch(/^[0-9a-f]{32}$/);
        for (const address of read.addresses ?? []) expect(address).toMatch(/^[\d.:a-f[\]%]+$/i);
      }),
    );
  });
});
