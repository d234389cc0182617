import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PcapReader } from '../../lab/network/pcap-reader.ts';

/** A capture as pcap-savefile(5) has it. */
function capture(frames: readonly Uint8Array[], linkType = 1): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4);
  header.writeUInt32LE(linkType, 20);
  const records = frames.flatMap((frame) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(1500, 12); // it was longer on the wire
    return [record, frame];
  });
  return Buffer.concat([header, ...records]);
}

describe('a packet capture', () => {
  it('is refused where it is of another kind of link', () => {
    expect(() => new PcapReader().push(capture([], 113))).toThrow('link type 113');
  });

  it('is refused where it is no capture', () => {
    expect(() => new PcapReader().push(Buffer.alloc(40, 1))).toThrow('no capture');
  });

  it('gives every frame, however its bytes come', () => {
    const frame = fc.uint8Array({ minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(fc.array(frame), fc.infiniteStream(fc.integer({ min: 1, max: 60 })), (frames, sizes) => {
        const whole = capture(frames);
        const reader = new PcapReader();
        const found: Uint8Array[] = [];
        for (let at = 0; at < whole.length; ) {
          const end = at + (sizes.next().value as number);
          found.push(...reader.push(whole.subarray(at, end)).map((each) => Uint8Array.from(each)));
          at = end;
        }
        expect(found).toEqual(frames);
      }),
    );
  });
});
