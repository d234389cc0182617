import { JournalFile } from '../../../host-plugins/hand-over/journal/journal-file.ts';

/** Appends epoch after epoch to the journal that it is given, and prints each when it is durable. Ends when killed. */
const path = process.argv[2] ?? '';
await using journal = await JournalFile.open(path, { now: Date.now });
for (let epoch = journal.position.at === 'owner' ? journal.position.epoch + 1 : 1; ; epoch += 1) {
  await journal.append({ at: 'owner', epoch, offered: epoch }, 'x'.repeat((epoch * 37) % 400));
  process.stdout.write(`${epoch}\n`);
}
