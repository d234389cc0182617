import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeLine, journalHeader } from '../../../host-plugins/hand-over/journal/journal-line.ts';
import { readJournal } from '../../../host-plugins/hand-over/journal/read-journal.ts';

const entries = [1, 2, 3].map((epoch) => ({
  at: 1_700_000_000_000 + epoch,
  why: `epoch ${epoch}, “quoted”`,
  position: { at: 'owner', epoch, offered: epoch } as const,
}));
const header = Buffer.from(journalHeader);
const whole = Buffer.concat([header, ...entries.map(encodeLine)]);
const reserve = Buffer.alloc(512);

describe('reading a hand-over journal', () => {
  it('takes no changed byte for what was written: it is an error, or at most the last entry is left out', () => {
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Buffer.concat([whole, reserve]);
        bytes[at] = (bytes[at] ?? 0) ^ change;
        try {
          const { entries: read } = readJournal(bytes, 'journal');
          expect(read).toEqual(entries.slice(0, 2));
        } catch (error) {
          expect(error).toMatchObject({ kind: 'config-invalid' });
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('says which entry is damaged where whole ones follow it', () => {
    const bytes = Buffer.from(whole);
    bytes[header.length + 20] = 0;
    expect(() => readJournal(bytes, '/state/journal')).toThrow(
      'the hand-over journal /state/journal is damaged: entry 1 is broken, and whole ones follow it',
    );
  });

  it('refuses a journal of another format', () => {
    const bytes = Buffer.from('wireless-dock-hand-over-journal 2\n');
    expect(() => readJournal(bytes, 'journal')).toThrow('not that of a journal of format 1');
    expect(() => readJournal(Buffer.alloc(0), 'journal')).toThrow('not that of a journal of format 1');
  });

  it('leaves out the last entry wherever its writing stopped, over the zeros of the reserve', () => {
    const last = encodeLine({ at: 4, why: 'torn', position: { at: 'away', granted: 4, voided: 4 } });
    for (let written = 1; written < last.length; written += 1) {
      const bytes = Buffer.concat([whole, last.subarray(0, written), reserve]);
      expect(readJournal(bytes, 'journal')).toEqual({ entries, tail: whole.length, torn: true });
    }
    // Its second half reached the disk, its first did not.
    const torn = Buffer.concat([Buffer.alloc(40), last.subarray(40)]);
    expect(readJournal(Buffer.concat([whole, torn, reserve]), 'journal').torn).toBe(true);
  });

  it('reads back what was written, with and without a reserve', () => {
    expect(readJournal(whole, 'journal')).toEqual({ entries, tail: whole.length, torn: false });
    expect(readJournal(Buffer.concat([whole, reserve]), 'journal').entries).toEqual(entries);
  });
});
