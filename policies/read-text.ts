import { close, constants, fstat, open, read } from 'node:fs';
import { Socket } from 'node:net';
import { addAbortSignal, type Readable } from 'node:stream';
import { isatty, ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { DockError } from '../protocol/dock-error.ts';

/** What people write into a policy, a configuration or a certificate; the longest of them has some KiB. */
export const maxTextBytes = 256 * 1024;

/**
 * The text of a file, also of a FIFO or a device. Throws `config-invalid` for what is too long, of which no more
 * than the limit is read, and for what is not UTF-8; the signal's reason when it is aborted; and what the operating
 * system says, with its `code`.
 */
export async function readText(path: string, signal?: AbortSignal): Promise<string> {
  signal?.throwIfAborted();
  // To open a FIFO that nobody writes to would otherwise hold a thread, which no signal and no exit() ends.
  const fd = await promisify(open)(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const isTerminal = isatty(fd);
  if (isTerminal || (await promisify(fstat)(fd)).isFIFO()) {
    // It closes the descriptor.
    return await readStreamText(isTerminal ? new ReadStream(fd) : pipe(fd), path, signal);
  }
  try {
    return decode(await readToEnd(fd, path, signal), path);
  } finally {
    await promisify(close)(fd);
  }
}

/** The same of what is open already; `name` stands for it in messages. */
export async function readStreamText(stream: Readable, name: string, signal?: AbortSignal): Promise<string> {
  if (signal !== undefined) addAbortSignal(signal, stream);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxTextBytes) throw tooLong(name);
      chunks.push(chunk);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  return decode(Buffer.concat(chunks), name);
}

const pipe = (fd: number) => new Socket({ fd, readable: true, writable: false });

async function readToEnd(fd: number, path: string, signal: AbortSignal | undefined): Promise<Buffer> {
  const buffer = Buffer.alloc(maxTextBytes + 1);
  let length = 0;
  while (length < buffer.length) {
    signal?.throwIfAborted();
    const { bytesRead } = await promisify(read)(fd, buffer, length, buffer.length - length, null);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
  throw tooLong(path);
}

function tooLong(name: string): DockError {
  return new DockError(
    'config-invalid',
    `${name} is longer than ${maxTextBytes / 1024} KiB; it is another file than was meant`,
  );
}

function decode(bytes: Buffer, name: string): string {
  const text = utf8(bytes);
  if (text !== undefined) return text;
  const lineEnds = bytes.toString('latin1').split('\n');
  const line = lineEnds.findIndex((one) => utf8(Buffer.from(one, 'latin1')) === undefined) + 1;
  throw new DockError('config-invalid', `${name}:${line}: not UTF-8 text; save the file in UTF-8`);
}

function utf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
