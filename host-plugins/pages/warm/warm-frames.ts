import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { DockError } from '../../../protocol/dock-error.ts';

/** The first frame. */
export const WarmHeader = z.strictObject({
  version: z.literal(1),
  /** Of the machine. */
  uuid: z.uuid(),
  /** Pages that the receiver has, behind which these come; 0: it begins anew. */
  known: z.int().min(0),
});
export type WarmHeader = z.infer<typeof WarmHeader>;

/** The receiver's only frame, when all it has got is durable. */
export const WarmAnswer = z.strictObject({ pages: z.int().min(0) });
export type WarmAnswer = z.infer<typeof WarmAnswer>;

/** 256 pages that do not compress, and what zstd adds. */
const maxFrameBytes = 1024 * 1024 + 64 * 1024;

/** On return the stream takes more. */
export async function writeFrame(stream: Duplex, content: Uint8Array, signal?: AbortSignal): Promise<void> {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(content.length);
  stream.write(length);
  if (!stream.write(content)) await once(stream, 'drain', signal === undefined ? {} : { signal });
}

/** Until the other end has said its last; throws `protocol` for what is no frame, or where the stream breaks. */
export async function* readFrames(stream: Duplex): AsyncGenerator<Buffer> {
  let held = Buffer.alloc(0);
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    held = Buffer.concat([held, chunk as Buffer]);
    for (;;) {
      if (held.length < 4) break;
      const length = held.readUInt32LE(0);
      if (length > maxFrameBytes) throw new DockError('protocol', `a frame of ${length} bytes is too long`);
      if (held.length < 4 + length) break;
      yield held.subarray(4, 4 + length);
      held = held.subarray(4 + length);
    }
  }
  if (held.length > 0) throw new DockError('protocol', 'the last frame is not whole');
}

export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

export function decodeJson<T extends z.ZodType>(shape: T, frame: Buffer | undefined): z.output<T> {
  try {
    return shape.parse(JSON.parse(String(frame)));
  } catch (cause) {
    throw new DockError('protocol', 'the other device says something else than pages', { cause });
  }
}
