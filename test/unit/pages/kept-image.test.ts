import { randomBytes } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeImage, encodeImage } from '../../../host-plugins/pages/kept/image.ts';
import { ImageFolder } from '../../../host-plugins/pages/kept/image-folder.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { keep, key, machine, openStore, pageOf, StoreFolder } from './kept-fixture.ts';

const chunkFiles = ({ folder }: StoreFolder) => readdirSync(folder.path).filter((name) => name !== 'image');
const numbersTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

/** What the reader gives, which is never another page than the one that is listed. */
function readAll(store: StoreFolder, numbers: readonly number[]): (number | undefined)[] {
  const reader = openStore(store.folder);
  return Array.from(reader.image.list.indices, (index, page) => {
    const content = reader.page(page);
    const number = numbers[index] ?? 0;
    if (content !== undefined) expect(content.equals(pageOf(number))).toBe(true);
    return content === undefined ? undefined : number;
  });
}

describe('a kept image', () => {
  it('is noticed as damaged when any bit of it is another one', () => {
    using store = new StoreFolder();
    keep(store, numbersTo(5));
    const path = join(store.folder.path, 'image');
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at += 1) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(path, damaged);
      expect(() => store.folder.readImage(), `byte ${at}`).toThrow(DockError);
    }
  });

  it('is noticed as damaged when it is cut off, wherever', () => {
    using store = new StoreFolder();
    keep(store, numbersTo(5));
    const path = join(store.folder.path, 'image');
    const whole = readFileSync(path);
    for (let length = whole.length - 1; length >= 0; length -= 1) {
      truncateSync(path, length);
      expect(() => store.folder.readImage(), `${length} bytes`).toThrow(DockError);
    }
  });

  it('gives no page of a chunk of which a bit is another one, or an end is missing, and all others', () => {
    using store = new StoreFolder();
    const numbers = numbersTo(300); // two chunks
    keep(store, numbers);
    for (const name of chunkFiles(store)) {
      const path = join(store.folder.path, name);
      const whole = readFileSync(path);
      const expectLoss = (damaged: Buffer) => {
        writeFileSync(path, damaged);
        const found = readAll(store, numbers).filter((number) => number !== undefined);
        expect([44, 256]).toContain(found.length);
        expect(chunkFiles(store)).not.toContain(name); // the next image has to have it anew
      };
      const step = Math.max(1, Math.floor(whole.length / 40));
      for (let at = 0; at < whole.length; at += step) {
        const damaged = Buffer.from(whole);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
        expectLoss(damaged);
        expectLoss(whole.subarray(0, at));
      }
      writeFileSync(path, whole);
    }
  });

  it('gives no page of a chunk that has another one’s place', () => {
    using store = new StoreFolder();
    const numbers = numbersTo(512);
    keep(store, numbers);
    const [one = '', other = ''] = chunkFiles(store);
    copyFileSync(join(store.folder.path, one), join(store.folder.path, other));
    expect(readAll(store, numbers).filter((number) => number !== undefined)).toHaveLength(256);
  });

  it('opens for no other machine, and with no other device’s key', () => {
    using store = new StoreFolder();
    keep(store, numbersTo(5));
    const others = [
      new ImageFolder(store.folder.path, key, 'another machine'),
      new ImageFolder(store.folder.path, randomBytes(32), machine),
    ];
    for (const other of others) {
      expect(() => other.readImage()).toThrow(expect.objectContaining({ kind: 'untrusted' }));
    }
  });

  it('says which epoch it is of, so that an older one in its place is noticed', () => {
    using store = new StoreFolder();
    keep(store, numbersTo(5), { epoch: 3 });
    const old = readFileSync(join(store.folder.path, 'image'));
    keep(store, numbersTo(6), { epoch: 4 });
    writeFileSync(join(store.folder.path, 'image'), old);
    expect(store.folder.readImage()?.seal).toEqual({ kind: 'kept', epoch: 3, peer: 'dock' });
  });

  it('shows nothing of what is in the memory', () => {
    using store = new StoreFolder();
    keep(store, numbersTo(40));
    for (const name of readdirSync(store.folder.path)) {
      expect(readFileSync(join(store.folder.path, name)).includes('page')).toBe(false);
      expect(name).not.toContain('page');
    }
  });

  it('seals nothing twice with the same key and nonce', () => {
    using store = new StoreFolder();
    const heads = new Set<string>();
    let files = 0;
    for (let round = 0; round < 5; round += 1) {
      keep(
        store,
        numbersTo(600).map((number) => number + round * 1000),
      );
      for (const name of readdirSync(store.folder.path)) {
        heads.add(readFileSync(join(store.folder.path, name)).subarray(4, 44).toString('hex')); // salt, number
        files += 1;
      }
    }
    expect(heads.size).toBe(files);
  });

  it('is not taken from bytes that are no image, and nothing but that is said of them', () => {
    using store = new StoreFolder();
    const { image } = keep(store, numbersTo(20));
    const plain = Buffer.concat(encodeImage(image));
    const mutations = fc.array(fc.tuple(fc.nat(plain.length - 1), fc.nat(255)), { maxLength: 8 });
    fc.assert(
      fc.property(mutations, fc.nat(plain.length), (changes, length) => {
        const bytes = Buffer.from(plain.subarray(0, length));
        for (const [at, value] of changes) if (at < length) bytes[at] = value;
        try {
          const decoded = decodeImage(bytes);
          expect(decoded.list.indices.length).toBe(decoded.chunkOf.length);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'protocol' });
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('keeping an image', () => {
  it('refuses to take more disk than it may, and leaves the one that was there', () => {
    using store = new StoreFolder();
    const numbers = numbersTo(300);
    keep(store, numbers, { epoch: 1 });
    const before = readdirSync(store.folder.path).toSorted();
    const more = numbersTo(3000).map((number) => number * 7);
    const budgets = [
      { maxBytes: 20_000, leaveFreeBytes: 0 },
      { maxBytes: 2 ** 40, leaveFreeBytes: 2 ** 60 },
    ];
    for (const budget of budgets) {
      expect(() => keep(store, more, { epoch: 2, budget })).toThrow(
        expect.objectContaining({ kind: 'does-not-fit' }),
      );
      expect(readdirSync(store.folder.path).toSorted()).toEqual(before);
    }
    expect(readAll(store, numbers)).toEqual(numbers);
  });

  it('does without pages that are not in memory any more', () => {
    using store = new StoreFolder();
    const numbers = numbersTo(300);
    keep(store, numbers, { lost: [7, 290] });
    const found = readAll(store, numbers);
    expect(found.filter((number) => number === undefined)).toHaveLength(2);
    expect(found[6]).toBeUndefined();
  });

  it('does not build upon one that is damaged', () => {
    using store = new StoreFolder();
    keep(store, numbersTo(300));
    writeFileSync(join(store.folder.path, 'image'), 'no image');
    expect(keep(store, numbersTo(300), { epoch: 2 }).written).toBe(300);
  });

  it('writes what a missing chunk had anew', () => {
    using store = new StoreFolder();
    const numbers = numbersTo(512);
    keep(store, numbers);
    store.folder.removeChunk(chunkFiles(store)[0] ?? '');
    expect(keep(store, numbers, { epoch: 2 }).written).toBe(256);
    expect(readAll(store, numbers)).toEqual(numbers);
  });

  it('writes nothing for what is there already, wherever it was', () => {
    using store = new StoreFolder();
    keep(store, numbersTo(400));
    expect(keep(store, [0, 0, ...numbersTo(400).reverse()], { epoch: 2 }).written).toBe(0);
  });

  it('gives, image after image, every page as it was kept, and leaves no other file', () => {
    const numbers = fc.array(fc.nat(60), { minLength: 1, maxLength: 700 });
    fc.assert(
      fc.property(fc.array(numbers, { minLength: 1, maxLength: 4 }), (images) => {
        using store = new StoreFolder();
        images.forEach((each, round) => {
          const { image } = keep(store, each, { epoch: round + 1 });
          expect(readAll(store, each)).toEqual(each.filter((number) => number !== 0));
          expect(chunkFiles(store)).toHaveLength(image.chunks.count);
          // What is not needed any more is at most as much again, and what is equal is there once.
          const kept = image.chunks.pages.reduce((sum, pages) => sum + pages, 0);
          expect(kept).toBeLessThanOrEqual(2 * new Set(each.filter((number) => number !== 0)).size);
        });
      }),
      { numRuns: 40 },
    );
  });
});
