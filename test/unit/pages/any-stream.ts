import fc from 'fast-check';
import { pageBytes } from '../../../host-plugins/pages/page-list.ts';
import { type BuiltPage, StreamBuilder } from './built-stream.ts';

/** Few contents, so that many pages are equal. */
export function contentOf(seed: number): Uint8Array {
  const page = Buffer.alloc(pageBytes, seed % 7 === 0 ? 0xff : `page ${seed};`);
  page.writeUInt32BE(seed);
  return page;
}

const anyPage: fc.Arbitrary<BuiltPage> = fc.record({
  block: fc.constantFrom('base', 'base', 'base', 'pc.bios', 'pc.rom'),
  page: fc.nat(31),
  content: fc.option(fc.nat(40).map(contentOf), { nil: undefined }),
});

/** A run of pages, as QEMU's first pass has them. */
const anyRun: fc.Arbitrary<BuiltPage[]> = fc
  .tuple(fc.nat(2000), fc.array(fc.option(fc.nat(60), { nil: undefined }), { maxLength: 200 }))
  .map(([first, seeds]) =>
    seeds.map((seed, i) => ({
      block: 'base',
      page: first + i,
      content: seed === undefined ? undefined : contentOf(seed),
    })),
  );

type Step = { readonly pages: readonly BuiltPage[] } | { readonly raw: Uint8Array };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.array(anyPage, { maxLength: 20 }).map((pages) => ({ pages })) },
  { weight: 3, arbitrary: anyRun.map((pages) => ({ pages })) },
  // commands, and what nobody knows
  {
    weight: 1,
    arbitrary: fc.constantFrom('080002000400000002', '08000b0000', '080003000100', '04').map(fromHex),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((raw) => ({ raw })) },
);

function fromHex(hex: string): Step {
  return { raw: Buffer.from(hex, 'hex') };
}

/** What QEMU may write, or something that begins so. */
export const anyStream: fc.Arbitrary<Buffer> = fc
  .tuple(fc.array(anyStep, { maxLength: 8 }), fc.boolean(), fc.uint8Array({ maxLength: 3000 }))
  .map(([steps, ends, tail]) => {
    const builder = new StreamBuilder();
    for (const step of steps) {
      if ('raw' in step) builder.raw(step.raw);
      else builder.section(step.pages);
    }
    if (ends) builder.section([], true);
    // A counterexample is told by its seed; its bytes would fill many screens.
    return Object.assign(builder.raw(tail).build(), { [fc.toStringMethod]: () => `${steps.length} steps` });
  });

/** How a stream arrives: pieces of these lengths, over and over; 0: nothing for a while. */
export const anyChunking: fc.Arbitrary<number[]> = fc
  .array(fc.oneof(fc.nat(20), fc.nat(5000), fc.constant(65_536)), { minLength: 1, maxLength: 6 })
  .filter((lengths) => lengths.some((length) => length > 0));

export function* inChunks(stream: Buffer, lengths: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < stream.length; i++) {
    const length = lengths[i % lengths.length] ?? 1;
    yield stream.subarray(at, at + length);
    at += length;
  }
}
