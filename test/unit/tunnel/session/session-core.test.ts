import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxUnderWayBytes } from '../../../../host-plugins/tunnel/session/send-window.ts';
import { type TestEnd, World } from './session-world.ts';

/** Bytes that say where in which channel they belong. */
const bytesAt = (channel: number, from: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => ((from + at) * 7 + ((from + at) >> 8) * 13 + channel * 31) & 0xff);

type Step =
  | { do: 'open'; end: 0 | 1; urgent: boolean }
  | { do: 'write'; end: 0 | 1; channel: number; length: number }
  | { do: 'end' | 'reset' | 'raise'; end: 0 | 1; channel: number }
  | { do: 'connect' }
  | { do: 'send' | 'cut'; link: number }
  | { do: 'deliver'; link: number; direction: 0 | 1; bytes: number }
  | { do: 'pass'; ms: number }
  | { do: 'stop' | 'read'; end: 0 | 1 };

const end = fc.constantFrom<0 | 1>(0, 1);
const few = fc.nat({ max: 5 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('open' as const), end, urgent: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      end,
      channel: few,
      length: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 90_000 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('end' as const, 'end' as const, 'reset' as const, 'raise' as const),
      end,
      channel: few,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('send' as const), link: few }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), link: few }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('deliver' as const),
      link: few,
      direction: end,
      bytes: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 200_000 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 1_500 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('stop' as const, 'read' as const), end }) },
);

/** Plays the steps, and then lets everything arrive. What each end has written is checked against what came out. */
function play(steps: readonly Step[]): World {
  const world = new World();
  const ends = [world.a, world.b] as const;
  const written = new Map<TestEnd, Map<number, number>>(ends.map((each) => [each, new Map()]));
  const ended = new Map<TestEnd, Set<number>>(ends.map((each) => [each, new Set()]));
  const broken = new Set<number>();
  const pick = (of: TestEnd, nth: number): number | undefined => {
    const open = [...of.channels].filter(([, { gone, error }]) => !gone && error === undefined);
    return open[nth % Math.max(1, open.length)]?.[0];
  };
  const write = (of: TestEnd, id: number, length: number): void => {
    if (ended.get(of)?.has(id) || broken.has(id) || !canWrite(of, id)) return;
    const before = written.get(of)?.get(id) ?? 0;
    of.core.write(id, bytesAt(id, before, length));
    written.get(of)?.set(id, before + length);
  };
  world.connect();
  for (const each of steps) {
    const links = Math.max(1, world.links.length);
    switch (each.do) {
      case 'open':
        ends[each.end].open(`test/${each.urgent ? 'urgent' : 'bulk'}`, each.urgent);
        break;
      case 'write': {
        const id = pick(ends[each.end], each.channel);
        if (id !== undefined) write(ends[each.end], id, each.length);
        break;
      }
      case 'end': {
        const id = pick(ends[each.end], each.channel);
        if (id === undefined || !canWrite(ends[each.end], id)) break;
        ends[each.end].core.end(id);
        ended.get(ends[each.end])?.add(id);
        break;
      }
      case 'reset': {
        const id = pick(ends[each.end], each.channel);
        if (id === undefined) break;
        ends[each.end].core.reset(id, { kind: 'cancelled', message: 'enough' });
        broken.add(id);
        break;
      }
      case 'raise': {
        const id = pick(ends[each.end], each.channel);
        if (id !== undefined) ends[each.end].core.raise(id);
        break;
      }
      case 'connect':
        if (world.links.length < 4) world.connect();
        break;
      case 'send':
        world.send(each.link % links);
        break;
      case 'cut':
        world.cut(each.link % links);
        break;
      case 'deliver':
        world.deliver(each.link % links, each.direction, each.bytes);
        break;
      case 'pass':
        world.pass(each.ms);
        break;
      case 'stop':
        ends[each.end].reads = false;
        break;
      case 'read':
        ends[each.end].readOn();
        break;
    }
  }
  for (const each of ends) each.readOn();
  world.connect();
  world.settle();
  for (const [of, other] of [[world.a, world.b] as const, [world.b, world.a] as const]) {
    for (const [id, seen] of other.channels) {
      if (broken.has(id)) continue;
      const length = written.get(of)?.get(id) ?? 0;
      expect(seen.bytes.length, `bytes of channel ${id}`).toBe(length);
      expect(Buffer.from(seen.bytes).equals(Buffer.from(bytesAt(id, 0, length)))).toBe(true);
      expect(seen.ended).toBe(ended.get(of)?.has(id));
      if (seen.ended) expect(of.channels.get(id)?.finished).toBe(true);
    }
    for (const id of broken) {
      const seen = other.channels.get(id);
      const sent = bytesAt(id, 0, written.get(of)?.get(id) ?? 0);
      expect(Buffer.from(seen?.bytes ?? []).equals(Buffer.from(sent.subarray(0, seen?.bytes.length)))).toBe(
        true,
      );
    }
  }
  expect(world.a.core.calm && world.b.core.calm).toBe(true);
  return world;
}

const canWrite = (of: TestEnd, id: number): boolean => {
  const channel = of.channels.get(id);
  // those that this end opened, once accepted; the others are accepted as they come
  const mine = of.core.isOwn(id);
  return channel !== undefined && (!mine || channel.accepted);
};

describe('a session', () => {
  it('loses, repeats and swaps no byte, whatever happens to its links and wherever they are cut', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 150 }), (steps) => {
        play(steps);
      }),
      { numRuns: 400 },
    );
  }, 120_000);

  it('survives a cut after every single byte of a small conversation', () => {
    const whole = new World();
    const converse = (world: World, cutAfter: number): void => {
      world.connect();
      const id = world.a.open('test/x');
      let left = cutAfter;
      for (let turn = 0; turn < 20; turn++) {
        if (turn === 8) {
          world.a.core.write(id, bytesAt(id, 0, 100));
          world.a.core.end(id);
        }
        world.pass(20);
        world.send(0);
        for (const direction of [0, 1] as const) {
          const waiting = world.links[0]?.ways[direction].waiting ?? 0;
          world.deliver(0, direction, Math.min(left, waiting));
          left -= Math.min(left, waiting);
          if (left === 0) {
            world.cut(0);
            world.connect();
            left = Number.POSITIVE_INFINITY;
          }
        }
      }
      world.settle();
      expect(world.b.channels.get(id)?.bytes).toEqual([...bytesAt(id, 0, 100)]);
      expect(world.b.channels.get(id)?.ended).toBe(true);
    };
    converse(whole, Number.POSITIVE_INFINITY);
    for (let cutAfter = 1; cutAfter < 420; cutAfter++) converse(new World(), cutAfter);
  });

  it('sends again only what was under way on the link that was lost', () => {
    const world = new World();
    world.connect();
    const id = world.a.open('test/x');
    world.settle();
    for (let at = 0; at < 20; at++) {
      world.a.core.write(id, bytesAt(id, at * 50_000, 50_000));
      world.settle();
    }
    expect(world.a.core.resentBytes).toBe(0);
    world.a.core.write(id, bytesAt(id, 1_000_000, 50_000));
    world.send(0);
    world.cut(0);
    world.connect();
    world.settle();
    expect(world.b.channels.get(id)?.bytes.length).toBe(1_050_000);
    expect(world.a.core.resentBytes).toBeLessThan(51_000);
  });

  it('keeps no more than its buffer while there is no link, and lets what is urgent in all the same', () => {
    const world = new World();
    world.connect();
    const bulk = Array.from({ length: 60 }, (_, at) => world.a.open(`test/${at}`));
    const urgent = world.a.open('test/urgent', true);
    world.settle();
    for (const id of bulk) for (let at = 0; at < 3; at++) world.a.core.write(id, new Uint8Array(90_000));
    // sent, and never heard of
    for (let turn = 0; turn < 200; turn++) {
      for (const way of world.links[0]?.ways ?? []) {
        way.bytes = [];
        way.waiting = 0;
      }
      world.send(0);
    }
    world.cut(0);
    for (let turn = 0; turn < 10; turn++) {
      world.connect();
      world.send(0);
      world.deliver(0, 1, Number.POSITIVE_INFINITY);
      world.send(0);
      world.cut(0);
    }
    expect(world.a.core.underWayBytes).toBeLessThanOrEqual(maxUnderWayBytes);
    world.a.core.write(urgent, Uint8Array.of(1));
    world.connect();
    world.send(0);
    world.deliver(0, 1, Number.POSITIVE_INFINITY);
    world.send(0);
    world.deliver(0, 0, 1_000);
    expect(world.b.channels.get(urgent)?.bytes).toEqual([1]);
    world.settle();
    for (const id of bulk) expect(world.b.channels.get(id)?.bytes.length).toBe(270_000);
  });

  it('lets a channel whose reader has stopped hold up no other one', () => {
    const world = new World();
    world.connect();
    const full = world.a.open('test/full');
    const other = world.a.open('test/other');
    world.settle();
    world.b.reads = false;
    while (world.a.core.write(full, new Uint8Array(60_000))) world.settle();
    world.a.core.write(other, Uint8Array.of(7));
    world.settle();
    expect(world.b.channels.get(other)?.bytes).toEqual([7]);
  });

  it('moves what a silent link carries to another one within a second or so, and gives it up after three', () => {
    const world = new World();
    world.connect();
    const id = world.a.open('test/x');
    world.settle();
    world.a.core.write(id, bytesAt(id, 0, 60_000));
    world.send(0); // never delivered: a half-open link
    world.connect();
    for (let passed = 0; passed < 1_500; passed += 100) {
      world.pass(100);
      world.send(1);
      world.deliver(1, 0, Number.POSITIVE_INFINITY);
      world.deliver(1, 1, Number.POSITIVE_INFINITY);
    }
    expect(world.b.channels.get(id)?.bytes.length).toBe(60_000);
    expect(world.links).toHaveLength(2);
    for (let passed = 0; passed < 2_500; passed += 100) {
      world.pass(100);
      world.send(1);
      world.deliver(1, 0, Number.POSITIVE_INFINITY);
      world.deliver(1, 1, Number.POSITIVE_INFINITY);
    }
    expect(world.links).toHaveLength(1);
  });

  it('refuses a channel with the reason of the other end, and forgets it', () => {
    const world = new World((name) => name !== 'test/no');
    world.connect();
    const id = world.a.open('test/no');
    world.settle();
    expect(world.a.channels.get(id)).toMatchObject({
      error: { kind: 'conflict', message: 'not test/no' },
      gone: true,
    });
    expect(world.b.channels.get(id)?.gone).toBe(true);
    expect([world.a.core.channelCount, world.b.core.channelCount]).toEqual([0, 0]);
  });

  it('has nothing left of ten thousand channels that were opened and closed', () => {
    const world = new World();
    world.connect();
    for (let round = 0; round < 100; round++) {
      const ids = Array.from({ length: 100 }, () => world.a.open('test/x'));
      world.settle();
      for (const id of ids) {
        world.a.core.write(id, Uint8Array.of(1, 2, 3));
        world.a.core.end(id);
        world.b.core.end(id);
      }
      world.settle();
    }
    expect([world.a.core.channelCount, world.b.core.channelCount]).toEqual([0, 0]);
    expect(world.a.core.calm && world.b.core.calm).toBe(true);
  });
});
