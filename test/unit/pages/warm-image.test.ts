import { hash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestText } from '../../../host-plugins/pages/kept/image.ts';
import { ImageAppender } from '../../../host-plugins/pages/kept/image-appender.ts';
import { readFrames, writeFrame } from '../../../host-plugins/pages/warm/warm-frames.ts';
import { beginningOf, warmList } from '../../../host-plugins/pages/warm/warm-list.ts';
import { key, openStore, pageOf, plenty, StoreFolder } from './kept-fixture.ts';

const seal = { kind: 'warm', number: 0, peer: 'mid' } as const;
const pages = (first: number, count: number) =>
  Buffer.concat(Array.from({ length: count }, (_, at) => pageOf(first + at)));
const listOf = (count: number) =>
  warmList(Buffer.concat(Array.from({ length: count }, (_, at) => hash('sha256', pageOf(at), 'buffer'))));

function append({ folder }: StoreFolder, known: number, count: number, budget = plenty): void {
  const appender = ImageAppender.begin(folder, key, known, budget);
  if (appender === undefined) throw new Error('it does not go on there');
  for (let at = 0; at < count; at += 100) appender.append(pages(known + at, Math.min(100, count - at)));
  appender.end(seal, 1);
}

describe('an image of pages that were sent ahead', () => {
  it('is a beginning of what was sent, wherever that ended, and goes on there', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 4 }), (parts) => {
        using store = new StoreFolder();
        let known = 0;
        for (const count of parts) {
          append(store, known, count);
          known += count;
          const reader = openStore(store.folder);
          expect(reader.image.digest).toBe(digestText(beginningOf(listOf(known + 7), known)));
          for (let page = 0; page < known; page += 13)
            expect(reader.page(page)?.equals(pageOf(page))).toBe(true);
        }
      }),
      { numRuns: 15 },
    );
  });

  it('does not go on behind pages that it has not, and begins anew when it is told to', () => {
    using store = new StoreFolder();
    append(store, 0, 300);
    expect(ImageAppender.begin(store.folder, key, 299, plenty)).toBeUndefined();
    expect(ImageAppender.begin(store.folder, key, 301, plenty)).toBeUndefined();
    append(store, 0, 10);
    expect(openStore(store.folder).image.list.indices).toHaveLength(10);
    expect(readdirSync(store.folder.path)).toHaveLength(2);
    writeFileSync(join(store.folder.path, 'image'), 'damaged');
    expect(ImageAppender.begin(store.folder, key, 10, plenty)).toBeUndefined();
  });

  it('takes no more disk than it may, and keeps what it had', () => {
    using store = new StoreFolder();
    append(store, 0, 300);
    const small = { maxBytes: 20_000, leaveFreeBytes: 0 };
    expect(() => append(store, 300, 3000, small)).toThrow(expect.objectContaining({ kind: 'does-not-fit' }));
    expect(openStore(store.folder).image.list.indices).toHaveLength(300);
  });
});

describe('frames of pages that are sent ahead', () => {
  it('come as they were sent, however they are cut', async () => {
    const frames = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(100_000, 3), Buffer.from('last')];
    const [from, to] = duplexPair();
    const found: Buffer[] = [];
    const reading = (async () => {
      for await (const frame of readFrames(to)) found.push(Buffer.from(frame));
    })();
    for (const frame of frames) await writeFrame(from, frame);
    from.end();
    await reading;
    expect(found).toEqual(frames);
  });

  it.each([
    ['too long', Buffer.from([255, 255, 255, 127])],
    ['not whole', Buffer.from([10, 0, 0, 0, 1, 2, 3])],
  ])('that are %s end it', async (_what, bytes) => {
    const [from, to] = duplexPair();
    from.end(bytes);
    const reading = (async () => {
      for await (const frame of readFrames(to)) expect(frame).toBeUndefined();
    })();
    await expect(reading).rejects.toMatchObject({ kind: 'protocol' });
  });
});
