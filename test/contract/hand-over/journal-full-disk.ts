import { open, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { JournalFile } from '../../../host-plugins/hand-over/journal/journal-file.ts';
import { DockError } from '../../../protocol/dock-error.ts';

/** On a small file system: what the journal still does when it is full. Prints one JSON object. */
const folder = process.argv[2] ?? '';
const path = join(folder, 'journal');

async function fillUp(): Promise<void> {
  await using filler = await open(join(folder, 'filler'), 'a');
  for (const size of [4096, 1]) {
    try {
      for (;;) await filler.write(Buffer.alloc(size, 1));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}

async function failureOf(
  work: Promise<unknown>,
): Promise<{ kind: string; undetermined: unknown; message: string }> {
  try {
    await work;
  } catch (error) {
    const { kind, detail, message } = DockError.from(error);
    return { kind, undetermined: detail?.['undetermined'], message };
  }
  return { kind: 'none', undetermined: undefined, message: '' };
}

const offering = (epoch: number) => ({ at: 'offering', owned: 1, epoch, peer: 'dock' }) as const;
const released = (epoch: number) => ({ at: 'released', owned: 1, epoch, peer: 'dock' }) as const;

let acknowledged = 0;
const result: Record<string, unknown> = {};
{
  await using journal = await JournalFile.open(path, { now: Date.now });
  await journal.append(offering(2), 'begins while there is room');
  await fillUp();
  result['free'] = (await statfs(folder)).bavail;
  for (let entry = 0; entry < 6; entry += 1) await journal.append(released(2), 'goes on with none left');
  acknowledged = 7;
  // Other entries may use the reserve up to the last byte, and then fail cleanly.
  for (;;) {
    const failure = await failureOf(journal.append(released(3), 'y'.repeat(300)));
    if (failure.kind !== 'none') {
      result['appendFails'] = failure;
      break;
    }
    acknowledged += 1;
    if (acknowledged > 1_000) throw new Error('this file system never gets full');
  }
}
{
  await using journal = await JournalFile.open(path, { now: Date.now });
  result['foundAgain'] = journal.entries.length === acknowledged;
  result['position'] = journal.position;
  result['beginFails'] = await failureOf(journal.append(offering(4), 'begins'));
}
{
  await using journal = await JournalFile.open(path, { now: Date.now });
  result['unchanged'] = journal.entries.length === acknowledged;
}
process.stdout.write(JSON.stringify(result));
