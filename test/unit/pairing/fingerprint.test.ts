import { describe, expect, it } from 'vitest';
import {
  deviceIdOf,
  formatFingerprint,
  parseCertificate,
  parseFingerprint,
} from '../../../host-plugins/pairing/fingerprint.ts';
import { generateIdentity } from '../../../host-plugins/pairing/identity.ts';

const id = '0123456789abcdef'.repeat(4);

describe('a fingerprint', () => {
  it.each(['', 'abc', id.slice(1), `${id}0`, id.replace('0', 'g'), 'SHA1:00:11', '../../etc/passwd'])(
    'is not made of %j',
    (text) => expect(parseFingerprint(text)).toBeUndefined(),
  );

  it.each([
    id,
    id.toUpperCase(),
    formatFingerprint(id),
    `SHA256:${id}`,
    `sha-256=${formatFingerprint(id)}`,
    ` ${id}\n`,
  ])('is read from %j', (text) => expect(parseFingerprint(text)).toBe(id));
});

describe('a certificate', () => {
  it('is refused when the text holds a private key, which it says must stay where it is', async () => {
    const { privateKeyPem, certificatePem } = await generateIdentity('mid');
    expect(() => parseCertificate(privateKeyPem)).toThrow(/private key/);
    expect(() => parseCertificate(certificatePem + privateKeyPem)).toThrow(/private key/);
  });

  it.each([
    ['no PEM at all', 'hello', /no certificate/],
    ['an empty text', '', /no certificate/],
    [
      'PEM with rubbish in it',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
      /not a certificate/,
    ],
  ])('is refused when it is %s', (_what, text, message) => {
    expect(() => parseCertificate(text)).toThrow(message);
  });

  it('is refused when there are two, of which one might be overlooked', async () => {
    const [a, b] = await Promise.all([generateIdentity('a'), generateIdentity('b')]);
    expect(() => parseCertificate(a.certificatePem + b.certificatePem)).toThrow(/2 certificates/);
  });

  it('made for a device has its name, its key, and the id that others compute', async () => {
    const made = await generateIdentity('my-pad.2');
    const certificate = parseCertificate(made.certificatePem);
    expect(certificate.subject).toBe('CN=my-pad.2');
    expect(deviceIdOf(certificate)).toBe(made.id);
    expect(certificate.validToDate.getUTCFullYear()).toBe(9999);
  });
});
