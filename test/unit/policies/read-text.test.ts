import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { maxTextBytes, readStreamText, readText } from '../../../policies/read-text.ts';
import { temporaryFolder } from '../pairing/temporary-folder.ts';

describe('readText', () => {
  it.each(['/dev/zero', '/dev/urandom'])(
    'reads no more than the limit of %s, which never ends',
    async (path) => {
      await expect(readText(path)).rejects.toMatchObject({
        kind: 'config-invalid',
        message: expect.stringContaining('longer than 256 KiB'),
      });
    },
  );

  it('does not take a large file into memory', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'large');
    await writeFile(path, '');
    await truncate(path, 4 * 1024 ** 3); // more than a buffer may have
    await expect(readText(path)).rejects.toMatchObject({ kind: 'config-invalid' });
  });

  it('refuses what is not UTF-8, and names the line', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'latin1.yaml');
    await writeFile(path, Buffer.from('version: 1\ndescription: größer\n', 'latin1'));
    await expect(readText(path)).rejects.toMatchObject({
      kind: 'config-invalid',
      message: `${path}:2: not UTF-8 text; save the file in UTF-8`,
    });
  });

  it('leaves out a byte order mark, and takes a file that is exactly as long as allowed', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'marked');
    await writeFile(path, '\ufeffgröß');
    expect(await readText(path)).toBe('größ');
    await writeFile(path, 'x'.repeat(maxTextBytes));
    expect(await readText(path)).toHaveLength(maxTextBytes);
  });
});

describe('readStreamText', () => {
  it('ends with the reason of the signal while nothing comes', async () => {
    const stop = new AbortController();
    const read = readStreamText(new PassThrough(), 'standard input', stop.signal);
    stop.abort(new Error('enough'));
    await expect(read).rejects.toThrow('enough');
  });

  it('stops at the limit', async () => {
    const stream = new PassThrough();
    const read = readStreamText(stream, 'standard input');
    stream.write(Buffer.alloc(maxTextBytes + 1));
    await expect(read).rejects.toThrow('standard input is longer than 256 KiB');
  });
});
