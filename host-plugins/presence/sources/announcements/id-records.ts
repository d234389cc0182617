import { randomBytes } from 'node:crypto';
import { idLength } from './announced-id.ts';

/** Of a record with its key, so that it stays below the 255 bytes of a TXT string (RFC 6763, 6.1). */
const idsPerRecord = 15;
/** What a stranger can have looked up with one announcement. */
const maxIds = 8 * idsPerRecord;

/** The TXT strings of an announcement. Sorted, for the order must not tell whose they are. */
export function formatIdRecords(ids: readonly string[]): string[] {
  const all = [...ids].sort();
  const records: string[] = [];
  for (let first = 0; first < all.length; first += idsPerRecord) {
    records.push(`${records.length}=${all.slice(first, first + idsPerRecord).join('')}`);
  }
  return records;
}

/** The identifiers in the TXT strings of anybody's announcement; what is none is passed over. */
export function parseIdRecords(records: readonly string[]): string[] {
  const ids = records.flatMap((record) => {
    const found = /^\d=([\w-]*)$/.exec(record)?.[1] ?? '';
    return found.length % idLength === 0 ? (found.match(new RegExp(`.{${idLength}}`, 'g')) ?? []) : [];
  });
  return ids.slice(0, maxIds);
}

/** As unpredictable as an identifier, and of its form. */
export function randomId(): string {
  return randomBytes((idLength / 4) * 3).toString('base64url');
}
