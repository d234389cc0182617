import { randomInt } from 'node:crypto';
import { DockError } from '../../protocol/dock-error.ts';

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

/** The text of the QR code. */
export function encodePairingLink(address: string, code: string): string {
  return `WDOCK:${address.toUpperCase()}/${code}`;
}

/** What a QR reader gives; undefined where the text is none. */
export function parsePairingLink(text: string): { address: string; code: string } | undefined {
  const [, address, code] = /^wdock:([^/\s]+)\/(\d{6})$/i.exec(text.trim()) ?? [];
  return address === undefined || code === undefined ? undefined : { address: address.toLowerCase(), code };
}
