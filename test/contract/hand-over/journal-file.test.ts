import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JournalFile } from '../../../host-plugins/hand-over/journal/journal-file.ts';

const now = { now: () => 1_700_000_000_000 };
const owner = (epoch: number) => ({ at: 'owner', epoch, offered: epoch }) as const;
const script = (name: string): string => join(import.meta.dirname, name);

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hand-over-journal-'));
  path = join(folder, 'journal');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the hand-over journal on a real file system', () => {
  it('loses nothing that it acknowledged and finds no damage, however often its writer is killed', async () => {
    for (let round = 0; round < 15; round += 1) {
      const writer = spawn(process.execPath, [script('journal-writer.ts'), path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(writer, 'exit');
      const stopAfter = 1 + ((round * 7) % 40);
      let acknowledged = 0;
      let lines = 0;
      for await (const line of createInterface({ input: writer.stdout })) {
        acknowledged = Number(line);
        lines += 1;
        if (lines === stopAfter) writer.kill('SIGKILL');
      }
      await exited;
      expect(lines).toBeGreaterThanOrEqual(stopAfter);
      await using journal = await JournalFile.open(path, now);
      const found = journal.position.at === 'owner' ? journal.position.epoch : 0;
      expect(found).toBeGreaterThanOrEqual(acknowledged);
      // At most the one that was being written when it died.
      expect(found).toBeLessThanOrEqual(acknowledged + 1);
    }
  }, 60_000);

  it('refuses the beginning of a hand-over on a full disk, and still has room for the end of one', async () => {
    const { stdout } = await promisify(execFile)('unshare', [
      '--map-root-user',
      '--mount',
      'sh',
      '-ec',
      'mount -t tmpfs -o size=128k none "$1"; exec "$2" "$3" "$1"',
      'sh',
      folder,
      process.execPath,
      script('journal-full-disk.ts'),
    ]);
    const result = JSON.parse(stdout) as Record<string, Record<string, unknown>>;
    expect(result['free']).toBe(0);
    expect(result['appendFails']).toMatchObject({ kind: 'io', undetermined: false });
    expect(result['appendFails']?.['message']).toContain('ENOSPC');
    expect(result['beginFails']).toMatchObject({ kind: 'io', undetermined: false });
    expect(result).toMatchObject({
      foundAgain: true,
      unchanged: true,
      position: { at: 'released', epoch: 3 },
    });
  }, 30_000);

  it('is not opened twice, neither in one process nor in two', async () => {
    const first = await JournalFile.open(path, now);
    await expect(JournalFile.open(path, now)).rejects.toMatchObject({ kind: 'conflict' });
    const writer = spawn(process.execPath, [script('journal-writer.ts'), path], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const words: string[] = [];
    writer.stderr.setEncoding('utf8').on('data', (text: string) => words.push(text));
    const [code] = (await once(writer, 'exit')) as [number];
    expect(code).not.toBe(0);
    expect(words.join('')).toContain('another process uses the hand-over journal');
    await first[Symbol.asyncDispose]();
    await using again = await JournalFile.open(path, now);
    expect(again.isEmpty).toBe(true);
  });

  it('leaves out an entry whose writing was cut short, at every byte, and writes over it', async () => {
    {
      await using journal = await JournalFile.open(path, now);
      await journal.append(owner(1), 'first');
    }
    const whole = (await readFile(path, 'utf8')).replace(/\0+$/u, '').length;
    {
      await using journal = await JournalFile.open(path, now);
      await journal.append(owner(2), 'second');
    }
    const both = (await readFile(path, 'utf8')).replace(/\0+$/u, '').length;
    for (let length = both - 1; length >= whole; length -= 1) {
      await truncate(path, length);
      await using journal = await JournalFile.open(path, now);
      expect(journal.position, `cut at ${length}`).toEqual(owner(1));
    }
    await using journal = await JournalFile.open(path, now);
    await journal.append(owner(3), 'third');
    expect(journal.entries.map(({ why }) => why)).toEqual(['first', 'third']);
  });

  it('refuses a damaged journal instead of guessing, and leaves it as it is', async () => {
    {
      await using journal = await JournalFile.open(path, now);
      for (let epoch = 1; epoch <= 3; epoch += 1) await journal.append(owner(epoch), `epoch ${epoch}`);
    }
    const { size } = await stat(path);
    await truncate(path, (await readFile(path)).indexOf(0));
    await appendFile(path, '00000000 {"not":"an entry"}\n');
    const damaged = await readFile(path);
    await expect(JournalFile.open(path, now)).rejects.toMatchObject({
      kind: 'config-invalid',
      message: expect.stringContaining('entry 4 has a wrong checksum'),
    });
    expect(await readFile(path)).toEqual(damaged);
    expect(size).toBeGreaterThan(damaged.length);
  });

  it('is rewritten with its last entries when it has become long', async () => {
    {
      await using journal = await JournalFile.open(path, now);
      for (let epoch = 1; epoch <= 400; epoch += 1) await journal.append(owner(epoch), 'z'.repeat(400));
    }
    const before = (await stat(path)).size;
    await using journal = await JournalFile.open(path, now);
    expect((await stat(path)).size).toBeLessThan(before / 2);
    expect(journal.position).toEqual(owner(400));
    await journal.append(owner(401), 'and goes on');
    expect(journal.entries.at(-1)?.position).toEqual(owner(401));
  }, 30_000);
});
