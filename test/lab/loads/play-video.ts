import { setTimeout as sleep } from 'node:timers/promises';
import type { Pace } from './load-names.ts';

const width = 480;
const height = 270;
const framesPerSecond = 30;
/** One that is shown, one that waits, one that is drawn. */
const buffers = 3;

/**
 * Draws one frame of a film: a picture that moves, with noise in its lowest bits as a decoder leaves it, so that no two
 * frames are alike and none compresses away.
 */
export function drawFrame(pixels: Uint32Array, frame: number): void {
  let noise = (frame + 1) * 0x9e3779b1;
  for (let y = 0; y < height; y++) {
    const green = (y + frame) & 0xff;
    for (let x = 0; x < width; x++) {
      noise = (Math.imul(noise, 1664525) + 1013904223) | 0;
      const red = (x + 2 * frame) & 0xff;
      const blue = (x + y - frame) & 0xff;
      pixels[y * width + x] = ((red << 16) | (green << 8) | blue) ^ ((noise >>> 20) & 0x070707);
    }
  }
}

export const newFrame = () => new Uint32Array(width * height);

/** Thirty frames of fresh pixels a second, in turn into three buffers; where the processor is too slow, fewer. */
export async function playVideo(pace: Pace, onFrame: () => void): Promise<never> {
  const pool = Array.from({ length: buffers }, newFrame);
  let dueMs = performance.now();
  for (let frame = 0; ; frame++) {
    drawFrame(pool[frame % buffers] as Uint32Array, frame);
    onFrame();
    // A film does not make up for frames that it could not draw, nor for the time in which it stood still.
    dueMs = Math.max(dueMs + 1000 / framesPerSecond / pace.speed, performance.now());
    await sleep(Math.max(0, dueMs - performance.now()));
  }
}
