import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import { run } from '../system/process/run.ts';

/** qemu-img reads a header; a disk that sleeps has to wake up first, ms. */
const limitMs = 30_000;

const Answer = z.object({
  format: z.string(),
  'virtual-size': z.number(),
  encrypted: z.boolean().optional(),
  'backing-filename': z.string().optional(),
  'full-backing-filename': z.string().optional(),
  'backing-filename-format': z.string().optional(),
  'format-specific': z
    .object({ data: z.object({ 'data-file': z.string().optional(), corrupt: z.boolean().optional() }) })
    .optional()
    .catch(undefined),
});

/** What an image says of itself. */
export interface ImageInfo {
  readonly format: string;
  /** What the guest sees as the disk's size. */
  readonly bytes: number;
  readonly encrypted: boolean;
  readonly corrupt: boolean;
  /** Where it keeps its data, when that is another file. */
  readonly dataFile?: string;
  /** The image that has what this one has not, as QEMU would open it. */
  readonly backing?: { readonly name: string; readonly format?: string };
}

export interface ImageQuestion {
  /** Absolute: QEMU takes what stands before a colon in a relative name for a protocol. */
  readonly path: string;
  /** Without it the content is probed. */
  readonly format?: string;
  /** Also when a program has it open for writing. */
  readonly inUse?: boolean;
}

/** Throws `conflict` when another program has the image open, `io` when it is no image that QEMU can read. */
export async function readImageInfo(question: ImageQuestion, signal: AbortSignal): Promise<ImageInfo> {
  const { path, format, inUse } = question;
  if (!isAbsolute(path)) throw new DockError('internal', `the image ${path} needs an absolute path`);
  const argv = [
    ...['qemu-img', 'info', '--output=json'],
    ...(inUse === true ? ['--force-share'] : []),
    ...(format === undefined ? [] : ['-f', format]),
    path,
  ];
  const { stdout } = await run(argv, { timeoutMs: limitMs, signal }).catch((error: unknown) => {
    throw explained(path, error);
  });
  const answer = Answer.parse(JSON.parse(stdout));
  const data = answer['format-specific']?.data;
  const backing = answer['full-backing-filename'] ?? answer['backing-filename'];
  const backingFormat = answer['backing-filename-format'];
  return {
    format: answer.format,
    bytes: answer['virtual-size'],
    encrypted: answer.encrypted === true,
    corrupt: data?.corrupt === true,
    ...(data?.['data-file'] === undefined ? {} : { dataFile: data['data-file'] }),
    ...(backing === undefined
      ? {}
      : { backing: { name: backing, ...(backingFormat === undefined ? {} : { format: backingFormat }) } }),
  };
}

function explained(path: string, error: unknown): unknown {
  const stderr = error instanceof DockError ? error.detail?.['stderr'] : undefined;
  if (typeof stderr !== 'string') return error;
  if (/Failed to get .* lock/.test(stderr)) {
    return new DockError('conflict', `${path} is in use by another program`, { cause: error });
  }
  const said = stderr.trim().replace(/^qemu-img: /, '');
  return new DockError('io', `QEMU cannot read ${path}: ${said}`, { cause: error });
}
