import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  BegunBlockList,
  readBlockList,
  writeBlockList,
} from '../../../host-plugins/pages/disk/block-list-file.ts';
import type { ImageIdentity } from '../../../host-plugins/pages/disk/image-identity.ts';

const facts = { bytes: '40960', modifiedNs: '1', changedNs: '2', device: '3', inode: '4' };
const image: ImageIdentity = { path: '/images/base', format: 'raw', ...facts };
const bytes = 10 * 4096;
const blocks = [1, 2, 7].map((index) => ({ index, hash: Buffer.alloc(32, index) }));

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'blocks-'));
  path = join(folder, 'list');
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const begin = (what = image) => BegunBlockList.open(path, what, bytes);

describe('a list of blocks that was begun', () => {
  it('goes on behind what was whole, wherever it was cut off', () => {
    {
      using begun = begin();
      begun.append(blocks);
    }
    const whole = readFileSync(`${path}.begun`);
    const head = whole.length - 3 * 36;
    for (let length = whole.length; length >= head; length -= 1) {
      writeFileSync(`${path}.begun`, whole);
      truncateSync(`${path}.begun`, length);
      using begun = begin();
      const known = Math.floor((length - head) / 36);
      expect(begun.next).toBe(known === 0 ? 0 : (blocks[known - 1]?.index ?? 0) + 1);
      begun.append(blocks.slice(known));
      expect([...begun.list().indices]).toEqual([1, 2, 7]);
      expect(begun.list().hashes).toEqual(new Uint8Array(Buffer.concat(blocks.map(({ hash }) => hash))));
    }
  });

  it('leaves out what a power cut has put there', () => {
    {
      using begun = begin();
      begun.append(blocks);
    }
    writeFileSync(`${path}.begun`, Buffer.alloc(360), { flag: 'a' });
    using begun = begin();
    expect([...begun.list().indices]).toEqual([1, 2, 7]);
  });

  it('begins anew for another image, and where its head is damaged', () => {
    for (const spoil of [() => undefined, () => writeFileSync(`${path}.begun`, 'no list')]) {
      {
        using begun = begin();
        begun.append(blocks);
      }
      spoil();
      using begun = begin({ ...image, modifiedNs: '9' });
      expect(begun.next).toBe(0);
      expect(begun.list().indices).toHaveLength(0);
    }
  });

  it('is whole or not there at all when it is done', async () => {
    using begun = begin();
    begun.append(blocks);
    await writeBlockList(path, image, begun.list());
    expect((await readBlockList(path))?.facts).toMatchObject({ image, blocks: 3 });
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at += 1) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(path, damaged);
      expect(await readBlockList(path), `byte ${at}`).toBeUndefined();
      writeFileSync(path, whole.subarray(0, at));
      expect(await readBlockList(path), `${at} bytes`).toBeUndefined();
    }
  });
});
