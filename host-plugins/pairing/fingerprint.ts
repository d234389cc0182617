import { X509Certificate } from 'node:crypto';
import { DockError } from '../../protocol/dock-error.ts';

/** A device's name for machines: SHA-256 of its certificate (DER), 64 lower-case hex digits. */
export type DeviceId = string;

/**
 * Reads a fingerprint as people write it: with or without colons, blanks or a leading `SHA256:`, in any case.
 * Undefined when it is none.
 */
export function parseFingerprint(text: string): DeviceId | undefined {
  const digits = text
    .trim()
    .replace(/^sha-?256[:=]?/i, '')
    .replace(/[:\s]/g, '')
    .toLowerCase();
  return /^[0-9a-f]{64}$/.test(digits) ? digits : undefined;
}

/** As `openssl x509 -fingerprint -sha256` prints it, for people to compare: `A1:B2:…`. */
export function formatFingerprint(id: DeviceId): string {
  return (id.match(/../g) ?? []).join(':').toUpperCase();
}

export function deviceIdOf(certificate: X509Certificate): DeviceId {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

/** Exactly one PEM certificate. Throws `usage` for anything else, with what to do. */
export function parseCertificate(pem: string): X509Certificate {
  const blocks = pem.match(/-----BEGIN ([A-Z0-9 ]+)-----/g) ?? [];
  if (blocks.some((block) => block.includes('PRIVATE KEY'))) {
    throw new DockError(
      'usage',
      'this file holds a private key, which must never leave its device; take what `wdock devices certificate` prints there',
    );
  }
  if (blocks.length !== 1) {
    const found = blocks.length === 0 ? 'no certificate' : `${blocks.length} certificates`;
    throw new DockError(
      'usage',
      `${found} in the PEM text; take what \`wdock devices certificate\` prints on the other device`,
    );
  }
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new DockError(
      'usage',
      `the PEM text is not a certificate (${(error as Error).message}); copy it again`,
      {
        cause: error,
      },
    );
  }
}
