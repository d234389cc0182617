import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import type { GuestMemory } from '../kept/guest-memory.ts';
import { chunkPages } from '../kept/image.ts';
import type { StoreThread } from '../kept/store-thread.ts';
import type { LackingPages } from './scan-memory.ts';
import { decodeJson, encodeJson, readFrames, WarmAnswer, writeFrame } from './warm-frames.ts';

/** After the last page, for the other end to write down what it has, ms. */
const answerLimitMs = 60_000;

export interface SendAhead {
  readonly uuid: string;
  /** Pages that the other end has already, in their order. */
  readonly known: Uint8Array;
  readonly lacking: LackingPages;
  readonly memory: GuestMemory;
  readonly maxBytesPerS: number;
  readonly onSent: (sent: { readonly pages: number; readonly wireBytes: number }) => void;
}

/**
 * Sends pages, no faster than it may, until all have gone or the signal says that it is enough. Returns the hashes of all
 * that the other end has then; after a link that broke, of all that it may have.
 */
export async function sendAhead(
  stream: Duplex,
  thread: StoreThread,
  { uuid, known, lacking, memory, maxBytesPerS, onSent }: SendAhead,
  enough: AbortSignal,
): Promise<{ hashes: Uint8Array; wireBytes: number; broke: DockError | undefined }> {
  const hashes: Uint8Array[] = [known];
  let wireBytes = 0;
  let pages = 0;
  const begin = performance.now();
  try {
    await writeFrame(stream, encodeJson({ version: 1, uuid, known: known.length / 32 }));
    for (let at = 0; at < lacking.indices.length && !enough.aborted; at += chunkPages) {
      const part = {
        files: lacking.files.subarray(at, at + chunkPages),
        indices: lacking.indices.subarray(at, at + chunkPages),
      };
      const packed = await thread.do({ job: 'pack', files: memory.files, pages: part });
      hashes.push(packed.hashes);
      await writeFrame(stream, packed.packed);
      wireBytes += packed.packed.length;
      pages += part.indices.length;
      onSent({ pages, wireBytes });
      const earlyMs = (wireBytes / maxBytesPerS) * 1000 - (performance.now() - begin);
      if (earlyMs > 0) await delay(earlyMs, undefined, { signal: enough }).catch(() => undefined);
    }
    stream.end();
    const answer = await Promise.race([readFrames(stream).next(), tooLate()]);
    const { pages: there } = decodeJson(WarmAnswer, answer.done === true ? undefined : answer.value);
    return { hashes: Buffer.concat(hashes).subarray(0, there * 32), wireBytes, broke: undefined };
  } catch (error) {
    stream.destroy();
    return { hashes: Buffer.concat(hashes), wireBytes, broke: DockError.from(error, 'peer-gone') };
  }
}

async function tooLate(): Promise<never> {
  await delay(answerLimitMs, undefined, { ref: false });
  throw new DockError('timeout', 'the other device does not say that it has what was sent ahead');
}
