import { DockError } from '../../../protocol/dock-error.ts';
import { decodeLine, type JournalEntry, journalHeader } from './journal-line.ts';

export interface JournalContent {
  readonly entries: readonly JournalEntry[];
  /** Bytes of the header and the whole entries; the next entry is written here. */
  readonly tail: number;
  /** What follows `tail` is an entry whose writing was cut short, to be erased. */
  readonly torn: boolean;
}

/**
 * Takes a journal's bytes apart. Behind the last entry there are only the zeros of the reserve, or the end. An entry
 * whose writing was cut short has zeros in it, or no end, and nothing whole behind it: it never counted, and is left
 * out. Anything else that is not as it was written throws `config-invalid`: what it said may have counted.
 */
export function readJournal(bytes: Buffer, path: string): JournalContent {
  const corrupt = (what: string): DockError =>
    new DockError(
      'config-invalid',
      `the hand-over journal ${path} is damaged: ${what}. Nothing is started from it. Restore it from a backup and restart wdockd; without one move it away, restart wdockd, and take the VM with \`wdock workspace force-owner\` on the device that shall own it`,
    );
  if (bytes.indexOf(journalHeader) !== 0)
    throw corrupt('its first line is not that of a journal of format 1');
  const entries: JournalEntry[] = [];
  let tail = journalHeader.length;
  for (;;) {
    const end = bytes.indexOf('\n', tail);
    if (end < 0) break;
    const entry = decodeLine(bytes.toString('utf8', tail, end));
    if (entry === undefined) break;
    entries.push(entry);
    tail = end + 1;
  }
  const rest = bytes.subarray(tail);
  if (rest.every((byte) => byte === 0)) return { entries, tail, torn: false };
  const end = rest.indexOf('\n');
  const line = end < 0 ? rest : rest.subarray(0, end);
  if (end >= 0 && !line.includes(0)) throw corrupt(`entry ${entries.length + 1} has a wrong checksum`);
  const [, ...behind] = rest.toString('utf8').split(/[\n\0]+/u);
  if (behind.some((text) => decodeLine(text) !== undefined)) {
    throw corrupt(`entry ${entries.length + 1} is broken, and whole ones follow it`);
  }
  return { entries, tail, torn: true };
}
