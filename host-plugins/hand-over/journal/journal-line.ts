import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { Position } from '../position.ts';

/** One entry: where the device stands from now on, and why. `at`: ms since 1970, for people only. */
export const JournalEntry = z.strictObject({ at: z.number(), why: z.string(), position: Position });
export type JournalEntry = z.infer<typeof JournalEntry>;

/** First line of every journal; a journal of another format is refused, not guessed at. */
export const journalHeader = 'wireless-dock-hand-over-journal 1\n';

/** `crc32 json\n`: CRC-32 (zlib) of the JSON's bytes, 8 hexadecimal digits. */
export function encodeLine(entry: JournalEntry): Buffer {
  const json = JSON.stringify(entry);
  return Buffer.from(`${checksum(json)} ${json}\n`);
}

/** undefined for anything that is not exactly what `encodeLine` wrote. */
export function decodeLine(line: string): JournalEntry | undefined {
  const json = line.slice(9);
  if (line[8] !== ' ' || line.slice(0, 8) !== checksum(json)) return undefined;
  const parsed = JournalEntry.safeParse(parseJson(json));
  return parsed.success ? parsed.data : undefined;
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, '0');

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
