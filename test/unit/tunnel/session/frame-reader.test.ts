import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame } from '../../../../host-plugins/tunnel/session/encode-frame.ts';
import {
  bodyBytes,
  type Frame,
  maxNumber,
  type NumberedKind,
} from '../../../../host-plugins/tunnel/session/frame.ts';
import { FrameReader, joinPieces } from '../../../../host-plugins/tunnel/session/frame-reader.ts';
import { established, offer } from './hostile-session.ts';
import { seeds } from './hostile-streams.ts';

const kinds: readonly NumberedKind[] = [
  'open',
  'accept',
  'refuse',
  'data',
  'credit',
  'end',
  'close',
  'reset',
  'places',
];
const word = fc.nat({ max: 0xffff_ffff });
const body = (kind: Frame['kind']) => {
  const [least, most] = bodyBytes[kind];
  return fc.uint8Array({ minLength: least, maxLength: Math.min(most, least + 300) });
};
const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.constantFrom(...kinds).chain((kind) =>
    fc.record({
      kind: fc.constant(kind),
      number: fc.integer({ min: 0, max: maxNumber }),
      channel: word,
      place: word,
      answer: fc.boolean(),
      body: body(kind).map((bytes) => (bytes.length === 0 ? [] : [bytes])),
    }),
  ),
  fc.record({
    kind: fc.constant('have' as const),
    base: fc.integer({ min: 0, max: maxNumber }),
    bits: fc.uint8Array({ maxLength: 512 }),
  }),
  fc.record({ kind: fc.constantFrom('ping' as const, 'pong' as const), token: word }),
  fc.record({ kind: fc.constant('bye' as const), body: body('bye') }),
);

/** As one would compare them: data in one piece. */
const plain = (each: Frame) =>
  'body' in each
    ? { ...each, body: [...joinPieces(each.body instanceof Uint8Array ? [each.body] : each.body)] }
    : 'bits' in each
      ? { ...each, bits: [...each.bits] }
      : each;

/** Feeds the bytes in chunks of these sizes, over and over. */
function read(bytes: Uint8Array, sizes: readonly number[]): Frame[] {
  const frames: Frame[] = [];
  const reader = new FrameReader((each) => frames.push(each));
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    reader.push(bytes.subarray(at, at + size));
    at += size;
  }
  return frames;
}

describe('a reader of frames', () => {
  it('reads what was written, however the bytes are cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }),
        (frames, sizes) => {
          const bytes = joinPieces(frames.flatMap(encodeFrame));
          expect(read(bytes, sizes).map(plain)).toEqual(frames.map(plain));
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    ['an unknown kind', [0x7f, 0, 0, 0]],
    ['a kind of link frames that asks for an answer', [0xa2, 0, 0, 4, 0, 0, 0, 1]],
    ['data that is too long', [4, 1, 0, 15]],
    ['data of nothing', [4, 0, 0, 14]],
    ['a head that is too short', [6, 0, 0, 13]],
    ['an end with a body', [6, 0, 0, 15]],
    ['a ping that is too long', [0x22, 0, 0, 5]],
    ['a have that is too long', [0x21, 0, 2, 7]],
  ])('throws for %s as soon as its length is there', (_what, bytes) => {
    expect(() => read(Uint8Array.from(bytes), [1])).toThrow(expect.objectContaining({ kind: 'protocol' }));
  });
});

/** Changes that a hostile or broken end might make to its bytes. */
const mutation = fc.record({
  at: fc.nat(),
  do: fc.constantFrom('set', 'flip', 'cut', 'repeat', 'insert'),
  value: fc.nat({ max: 255 }),
  length: fc.integer({ min: 1, max: 64 }),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

function mutate(bytes: Uint8Array, { at: where, do: what, value, length }: Mutation): Uint8Array {
  const at = bytes.length === 0 ? 0 : where % bytes.length;
  const head = bytes.subarray(0, at);
  const tail = bytes.subarray(at);
  switch (what) {
    case 'set':
      return joinPieces([head, Uint8Array.of(value), tail.subarray(1)]);
    case 'flip':
      return joinPieces([head, Uint8Array.of((tail[0] ?? 0) ^ (1 << (value & 7))), tail.subarray(1)]);
    case 'cut':
      return joinPieces([head, tail.subarray(length)]);
    case 'repeat':
      return joinPieces([head, tail.subarray(0, length), tail]);
    default:
      return joinPieces([head, new Uint8Array(length).fill(value), tail]);
  }
}

describe('a session that gets hostile bytes', () => {
  it.each(seeds)('refuses or takes the kept stream %j, and throws nothing else', (hex, expected) => {
    expect(offer(Uint8Array.from(Buffer.from(hex, 'hex')))).toBe(expected);
  });

  it('never crashes, hangs, or throws anything but a breach of the protocol', () => {
    const { next } = established();
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), (mutations) => {
        offer(mutations.reduce(mutate, next));
      }),
      { numRuns: 3_000 },
    );
  });

  it('refuses more data than it gave credit for, long before its memory is full', () => {
    const { world } = established();
    world.a.reads = false;
    world.settle();
    const [id] = [...world.a.channels].find(([, { name }]) => name === 'test/more') ?? [];
    const frames = Array.from(
      { length: 100 },
      (_, at): Frame => ({
        kind: 'data',
        number: 1_000 + at,
        channel: id ?? 0,
        place: at + 1,
        answer: false,
        body: [new Uint8Array(60_000)],
      }),
    );
    expect(() => {
      for (const each of frames) world.a.core.receive(world.links[0]?.ways[0].out as never, each, world.now);
    }).toThrow(/more than it has room for/);
  });
});
