import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { drawFrame, newFrame } from '../../lab/loads/play-video.ts';
import { Words } from '../../lab/loads/words.ts';

/** To how much of its size zstd brings it at its first level. */
const packed = (bytes: Uint8Array) => zstdCompressSync(bytes).length / bytes.length;

describe('what the loads of the lab’s guest put into memory', () => {
  it('is text that compresses as text does, neither to nothing nor hardly', () => {
    const share = packed(Buffer.from(new Words(7).text(1 << 20)));
    expect(share).toBeGreaterThan(0.25);
    expect(share).toBeLessThan(0.6);
  });

  it('is other text each time, and as long as it was asked for', () => {
    const words = new Words(7);
    const [one, other] = [words.text(5000), words.text(5000)];
    expect(one).toHaveLength(5000);
    expect(other).not.toBe(one);
    expect(new Words(7).text(5000)).toBe(one);
  });

  it('is a film of which no two frames share a page, and none compresses away', () => {
    const pages = (frame: number) => {
      const pixels = newFrame();
      drawFrame(pixels, frame);
      const bytes = Buffer.from(pixels.buffer);
      expect(packed(bytes)).toBeGreaterThan(0.2);
      return Array.from({ length: Math.floor(bytes.length / 4096) }, (_, page) =>
        bytes.subarray(page * 4096, (page + 1) * 4096).toString('latin1'),
      );
    };
    const frames = [0, 1, 2, 300].flatMap(pages);
    expect(new Set(frames).size).toBe(frames.length);
  });
});
