import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pageBytes } from '../../../host-plugins/pages/page-list.ts';
import { anyChunking, anyStream, contentOf, inChunks } from './any-stream.ts';
import { StreamBuilder } from './built-stream.ts';
import { SyncReceiver, SyncSender, sourceOf, type TestSource } from './sync-exchange.ts';

const anySources: fc.Arbitrary<TestSource[]> = fc.array(
  fc.array(fc.nat(60), { maxLength: 80 }).map((seeds) => sourceOf(seeds.map(contentOf))),
  { maxLength: 3 },
);

/** What a source's pages are at the receiver may be anything. */
const anyDamage = fc.array(fc.constantFrom('good', 'good', 'good', 'missing', 'short', 'wrong' as const), {
  minLength: 1,
});

describe('the page exchange', () => {
  it('never lets a damaged, stale or lying source into the stream: it costs bytes', () => {
    const pages = Array.from({ length: 64 }, (_, i) => ({ block: 'base', page: i, content: contentOf(i) }));
    const stream = new StreamBuilder().section(pages).build();
    const source = sourceOf(pages.map(({ content }) => content));
    const lying = { ...source, pages: source.pages.map((page, i) => (i === 40 ? contentOf(1) : page)) };
    const { output, resent, sender } = exchange(stream, [65_536], [source], [lying]);
    expect(output.equals(stream)).toBe(true);
    expect(resent).toBe(1);
    expect(sender.knowledge.counts).toMatchObject({ new: 0, referenced: [64] });
  });

  it('rebuilds any stream, in any pieces, with any sources in any state, and both ends know the same pages', () => {
    fc.assert(
      fc.property(
        anyStream,
        anyChunking,
        anySources,
        anyDamage,
        fc.constantFrom(0, 1),
        fc.constantFrom(3, 16_384),
        (stream, chunking, sources, damage, level, recentPages) => {
          const given = sources.map((source) => damaged(source, damage));
          const { output, sender, receiver } = exchange(stream, chunking, sources, given, {
            level,
            recentPages,
          });
          expect(output.equals(stream)).toBe(true);
          expect(receiver.table.digest()).toBe(sender.table.digest());
        },
      ),
    );
  });

  it('takes three bytes a page or less where the receiver has them all', () => {
    const pages = Array.from({ length: 4096 }, (_, i) => ({
      block: 'base',
      page: i,
      content: contentOf(i * 7 + 1),
    }));
    const stream = new StreamBuilder().section(pages).build();
    const source = sourceOf(pages.map(({ content }) => content));
    const { wireBytes } = exchange(stream, [65_536], [source], [source]);
    expect(wireBytes / pages.length).toBeLessThan(1);
  });

  it('sends what is repeated once', () => {
    const pages = Array.from({ length: 1000 }, (_, i) => ({
      block: 'base',
      page: i,
      content: contentOf(i % 10),
    }));
    const { sender } = exchange(new StreamBuilder().section(pages).build(), [65_536], [], []);
    expect(sender.knowledge.counts).toMatchObject({ new: 10, repeated: 990 });
  });

  it('knows of each page its last version, and of one that it could not tell apart that it does not', () => {
    const stream = new StreamBuilder()
      .section([
        { block: 'base', page: 1, content: contentOf(1) },
        { block: 'base', page: 2, content: contentOf(1) },
        { block: 'base', page: 3, content: contentOf(1) },
      ])
      .section([
        { block: 'base', page: 1, content: contentOf(2) },
        { block: 'base', page: 2, content: undefined },
      ]);
    const torn = stream.section([{ block: 'base', page: 3, content: contentOf(3) }]).build();
    const sender = new SyncSender([]);
    sender.push(torn.subarray(0, torn.length - 2000));
    sender.flush();
    sender.push(torn.subarray(torn.length - 2000));
    sender.flush();
    const base = sender.table.blocks.find(({ name }) => name === 'base');
    const [wanted] = [sourceOf([contentOf(2)]).hashes];
    expect(base?.hash(1)).toEqual(new Uint8Array(wanted));
    expect(base?.hash(2)).toBe('zero');
    expect(base?.hash(3)).toBeUndefined();
    expect(base?.hash(4)).toBeUndefined();
  });
});

function damaged({ hashes, pages }: TestSource, damage: readonly string[]): TestSource {
  return {
    hashes,
    pages: pages.map((page, i) => {
      switch (damage[i % damage.length]) {
        case 'missing':
          return undefined;
        case 'short':
          return page?.subarray(1);
        case 'wrong':
          return Buffer.alloc(pageBytes, i);
        default:
          return page;
      }
    }),
  };
}

function exchange(
  stream: Buffer,
  chunking: readonly number[],
  sources: readonly TestSource[],
  given: readonly TestSource[],
  options: { level?: number; recentPages?: number } = {},
) {
  const sender = new SyncSender(sources, options);
  const receiver = new SyncReceiver(given, options);
  let wireBytes = 0;
  const carry = () => {
    for (const frame of sender.frames.splice(0)) {
      wireBytes += frame.length;
      receiver.push(frame, (number) => sender.again(number));
    }
  };
  for (const chunk of inChunks(stream, chunking)) {
    if (chunk.length === 0) sender.flush();
    else sender.push(chunk);
    carry();
  }
  sender.flush();
  carry();
  return { output: Buffer.concat(receiver.output), resent: receiver.resent, wireBytes, sender, receiver };
}
