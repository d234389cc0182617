import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ResultFile } from '../../lab/demo/result-file.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wdf-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the file of a result', () => {
  it.each([
    ['in a folder that is not there', () => join(folder, 'none', 'x.json'), /ENOENT/],
    ['that is a folder', () => folder, /EISDIR/],
    ['in what is no folder', () => '/dev/null/x.json', /ENOTDIR/],
  ])('%s is refused before there is a result', async (_what, path, reason) => {
    await expect(ResultFile.open(path())).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(reason),
    });
  });

  it('says that it was not written where the disk is full', async () => {
    await using file = await ResultFile.open('/dev/full');
    await expect(file.write({})).rejects.toMatchObject({ kind: 'io', message: /\/dev\/full: ENOSPC/ });
  });

  it('keeps what was in it until there is another result', async () => {
    const path = join(folder, 'x.json');
    await writeFile(path, '{"a result":"that is longer than the next"}\n');
    await using file = await ResultFile.open(path);
    expect(await readFile(path, 'utf8')).toContain('longer');
    await file.write({ next: 1 });
    expect(await readFile(path, 'utf8')).toBe('{"next":1}\n');
  });
});
