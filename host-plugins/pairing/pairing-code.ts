import { randomInt, scrypt } from 'node:crypto';
import { DockError } from '../../protocol/dock-error.ts';
import type { DeviceId } from './fingerprint.ts';
import { scalarFromUniform } from './spake2.ts';

const digits = 6;

/** Six digits, each code as likely as any other. */
export function makePairingCode(): string {
  return String(randomInt(0, 10 ** digits)).padStart(digits, '0');
}

/** For people to read out: `123 456`. */
export function formatPairingCode(code: string): string {
  return `${code.slice(0, 3)} ${code.slice(3)}`;
}

/** What a person types: blanks and hyphens do not count. Throws `usage`, without repeating what it was. */
export function parsePairingCode(text: string): string {
  const code = text.replace(/[\s-]/g, '');
  if (/^\d{6}$/.test(code)) return code;
  throw new DockError(
    'usage',
    'the code is not one; it has six digits, as `wdock pair` shows it on the other device',
  );
}

/**
 * 32 MiB and about a tenth of a second of a PC's core; a small device still has both. It makes guessing dearer for
 * somebody who has recorded a run and can break the curve: SPAKE2 itself allows no guessing afterwards. It runs once
 * for each code on the device that shows it, so that strangers cannot make it work.
 */
const hardness = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const;

/** SPAKE2's `w`: the code through scrypt (RFC 7914), salted with the device that shows it. */
export async function secretOfCode(code: string, shownBy: DeviceId): Promise<bigint> {
  const salt = Buffer.concat([Buffer.from('wireless-dock pairing 1\0'), Buffer.from(shownBy, 'hex')]);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  scrypt(code, salt, 48, hardness, (error, key) => (error === null ? resolve(key) : reject(error)));
  return scalarFromUniform(await promise);
}

/** The text of the QR code. */
export function encodePairingLink(address: string, code: string): string {
  return `WDOCK:${address.toUpperCase()}/${code}`;
}

/** What a QR reader gives; undefined where the text is none. */
export function parsePairingLink(text: string): { address: string; code: string } | undefined {
  const [, address, code] = /^wdock:([^/\s]+)\/(\d{6})$/i.exec(text.trim()) ?? [];
  return address === undefined || code === undefined ? undefined : { address: address.toLowerCase(), code };
}
