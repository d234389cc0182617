import { setTimeout as delay } from 'node:timers/promises';
import { WaitingProgram } from '../process/waiting-program.ts';
import { commandLimitMs } from './ip-command.ts';

/** When frames are sent, ms after the first time; a lost frame on Wi-Fi must not cost the connection. */
const sendAtMs = [0, 20, 50, 100, 200];
/** Frames are padded to one size, so that socat, which reads at most that much at a time, keeps them apart; ours are shorter. */
const frameBytes = 128;

/** Starts what sends frames out of an interface (`sendRepeatedly`). */
export function startSender(name: string, signal: AbortSignal): WaitingProgram {
  return new WaitingProgram(['socat', '-u', '-b', String(frameBytes), '-', `INTERFACE:${name}`], signal);
}

/**
 * Sends Ethernet frames five times out of an interface, as soon as they are there; nothing when they reject. `waiting`:
 * the `startSender` of this interface, where there is one already; it may have ended, e.g. with an interface that was
 * made anew meanwhile. By default it is started while the frames are still to come. `onFirst`: they have gone once.
 */
export async function sendRepeatedly(
  name: string,
  frames: Promise<readonly Uint8Array[]>,
  {
    waiting,
    onFirst = () => {},
  }: { readonly waiting?: WaitingProgram | undefined; readonly onFirst?: () => void },
  signal: AbortSignal,
): Promise<void> {
  using sender = waiting ?? startSender(name, signal);
  const all = joined(await frames);
  if (all.length === 0) return;
  try {
    await sender.feed(rounds(all, onFirst, signal), commandLimitMs);
  } catch (error) {
    signal.throwIfAborted();
    if (waiting === undefined) throw error;
    using another = startSender(name, signal);
    await another.feed(rounds(all, onFirst, signal), commandLimitMs);
  }
}

function joined(frames: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(frames.length * frameBytes);
  frames.forEach((frame, index) => {
    all.set(frame, index * frameBytes);
  });
  return all;
}

async function* rounds(
  all: Uint8Array,
  onFirst: () => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let elapsedMs = 0;
  for (const atMs of sendAtMs) {
    await delay(atMs - elapsedMs, undefined, { signal });
    elapsedMs = atMs;
    yield all;
    if (atMs === 0) onFirst();
  }
}
