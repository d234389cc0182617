import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFileDurably } from '../../../host-plugins/system/process/write-file-durably.ts';

describe('a file that is written durably', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'durable-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('has what was asked for last when many write it at once, and nothing else is left', async () => {
    const file = join(folder, 'record');
    const contents = Array.from({ length: 20 }, (_, number) => `${number} `.repeat(20_000 - 900 * number));
    await Promise.all(contents.map((content) => writeFileDurably(file, content)));
    expect(await readFile(file, 'utf8')).toBe(contents.at(-1));
    expect(await readdir(folder)).toEqual(['record']);
  });

  it('is written by those who come after one that failed', async () => {
    const file = join(folder, 'later', 'record');
    const failed = writeFileDurably(file, 'first');
    await expect(failed).rejects.toMatchObject({ code: 'ENOENT' });
    await mkdir(join(folder, 'later'));
    await writeFileDurably(file, 'second');
    expect(await readFile(file, 'utf8')).toBe('second');
  });
});
