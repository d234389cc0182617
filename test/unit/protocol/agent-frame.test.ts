import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AgentFrameReader, encodeAgentFrame, maxAgentPayloadBytes } from '../../../protocol/agent-frame.ts';

/** Messages whose text may contain the frame's own magic. */
const message = fc.oneof(
  fc.record({ id: fc.nat(), text: fc.string({ maxLength: 300 }) }),
  fc.record({ id: fc.nat(), text: fc.constantFrom('WDK1', 'WDK1\u0000\u0000\u0000\u0004', 'WWDK', 'W') }),
  fc.constantFrom<unknown>(true, 0, '', [], {}),
);
const final = { type: 'final', text: 'after the damage' };

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** Feeds bytes in pieces of the given lengths (repeated) and returns what came out. */
function readInPieces(reader: AgentFrameReader, bytes: Uint8Array, lengths: readonly number[]): unknown[] {
  const out: unknown[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? bytes.length;
    out.push(...reader.push(bytes.subarray(at, at + length)));
    at += length;
  }
  return out;
}

const pieces = fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 6 });

describe('the frames of the agent port', () => {
  it('come out whole however the bytes are cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), pieces, (messages, lengths) => {
        const reader = new AgentFrameReader();
        const bytes = concat(messages.map(encodeAgentFrame));
        expect(readInPieces(reader, bytes, lengths)).toEqual(messages);
        expect(reader.discardedBytes).toBe(0);
      }),
    );
  });

  it('are never invented, and the one after the damage arrives with its own last byte, whatever was lost or doubled', () => {
    const damage = fc.record({
      at: fc.nat(2000),
      length: fc.integer({ min: 1, max: 400 }),
      double: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 6 }),
        fc.array(damage, { minLength: 1, maxLength: 4 }),
        pieces,
        (messages, damages, lengths) => {
          let bytes = concat(messages.map(encodeAgentFrame));
          for (const { at, length, double } of damages) {
            const from = at % (bytes.length + 1);
            const until = Math.min(bytes.length, from + length);
            bytes = double
              ? concat([bytes.subarray(0, until), bytes.subarray(from)])
              : concat([bytes.subarray(0, from), bytes.subarray(until)]);
          }
          const reader = new AgentFrameReader();
          const out = readInPieces(reader, concat([bytes, encodeAgentFrame(final)]), lengths);
          expect(out.at(-1)).toEqual(final);
          const sent = messages.map((one) => JSON.stringify(one));
          for (const one of out.slice(0, -1)) expect(sent).toContain(JSON.stringify(one));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('follow any noise, which is counted and not kept', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), pieces, (noise, lengths) => {
        const reader = new AgentFrameReader();
        const out = readInPieces(reader, concat([noise, encodeAgentFrame(final)]), lengths);
        expect(out).toContainEqual(final);
      }),
    );
  });

  it('are refused for sending where they are longer than a frame may be', () => {
    expect(() => encodeAgentFrame('x'.repeat(maxAgentPayloadBytes))).toThrow(/longer than/);
  });

  it('that claim more than a frame may hold are skipped at once, instead of waited for', () => {
    const reader = new AgentFrameReader();
    const claim = new Uint8Array([0x57, 0x44, 0x4b, 0x31, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    expect(reader.push(concat([claim, encodeAgentFrame(final)]))).toEqual([final]);
  });

  it('with a payload that is no JSON or no UTF-8 are skipped', () => {
    const reader = new AgentFrameReader();
    const good = encodeAgentFrame(final);
    const spoiled = encodeAgentFrame({ a: 1 });
    spoiled[spoiled.length - 1] = 0xff;
    expect(reader.push(concat([spoiled, good]))).toEqual([final]);
  });

  it('hold at most one frame in memory while hostile bytes stream in', () => {
    const reader = new AgentFrameReader();
    const header = encodeAgentFrame('x'.repeat(maxAgentPayloadBytes - 2)).subarray(0, 12);
    const filler = new Uint8Array(64 * 1024).fill(0x20);
    reader.push(header);
    for (let at = 0; at < 64; at++) reader.push(filler);
    // All that claimed to be a payload was wrong, so it has been thrown away, together with its header.
    expect(reader.discardedBytes).toBeGreaterThan(64 * filler.length - maxAgentPayloadBytes - 2 * 12);
  });
});
