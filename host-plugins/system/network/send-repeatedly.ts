import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../process/run.ts';
import { commandLimitMs } from './ip-command.ts';

/** When frames are sent, ms after the first time; a lost frame on Wi-Fi must not cost the connection. */
const sendAtMs = [0, 50, 200];

/**
 * Sends Ethernet frames three times out of an interface, as soon as `ready` is resolved; nothing when it rejects. One
 * process sends them all, and it starts while `ready` is still pending: the first frame is what a LAN waits for.
 */
export async function sendRepeatedly(
  name: string,
  frames: readonly Uint8Array[],
  ready: Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  const size = Math.max(...frames.map((frame) => frame.length));
  if (frames.length === 0) return;
  // Padded to one size, so that socat, which reads at most that much at a time, keeps them apart.
  const all = new Uint8Array(frames.length * size);
  frames.forEach((frame, index) => {
    all.set(frame, index * size);
  });
  async function* rounds(): AsyncGenerator<Uint8Array> {
    await ready;
    let elapsedMs = 0;
    for (const atMs of sendAtMs) {
      await delay(atMs - elapsedMs, undefined, { signal });
      elapsedMs = atMs;
      yield all;
    }
  }
  const argv = ['socat', '-u', '-b', String(size), '-', `INTERFACE:${name}`];
  await run(argv, { input: rounds(), timeoutMs: commandLimitMs, signal });
}
