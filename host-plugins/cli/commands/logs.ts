import { type FSWatcher, watch as watchFile } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { DockError } from '../../../protocol/dock-error.ts';
import { logFileOf } from '../../daemon/log-path.ts';
import { type CommandRun, done } from '../command-context.ts';
import { renderLogLine } from '../render/render-log-line.ts';
import { printable } from '../terminal.ts';

export interface LogsOptions {
  readonly follow?: boolean;
  readonly lines: number;
}

/** Reads wdockd's log file, so that it works when wdockd does not. */
export async function logs(run: CommandRun, options: LogsOptions): Promise<number> {
  const config = await run.config();
  const path = logFileOf(config?.stateFolder ?? '/var/lib/wireless-dock');
  const print = (line: string) => run.terminal.out(run.json ? line : printable(renderLogLine(line)));
  let file = await openLog(path);
  const tail = new Lines();
  try {
    const lines = tail.push(await readRest(file, tail));
    for (const line of lines.slice(-options.lines)) print(line);
    if (options.follow !== true) return done;
    using changes = new Changes(path);
    while (!run.signal.aborted) {
      for (const line of tail.push(await readRest(file, tail))) print(line);
      if (await wasReplaced(file, path)) {
        await file.close();
        file = await openLog(path);
        tail.restart();
        continue;
      }
      await changes.next(run.signal);
    }
    return done;
  } finally {
    await file.close();
  }
}

/** Cuts what was read into lines; what has no end yet waits. */
class Lines {
  offset = 0;
  #decoder = new StringDecoder('utf8');
  #rest = '';

  push(bytes: Buffer): string[] {
    this.offset += bytes.length;
    const parts = (this.#rest + this.#decoder.write(bytes)).split('\n');
    this.#rest = parts.pop() ?? '';
    return parts.filter((line) => line !== '');
  }

  restart(): void {
    this.offset = 0;
    this.#rest = '';
    this.#decoder = new StringDecoder('utf8');
  }
}

async function openLog(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      throw new DockError(
        'not-found',
        `there is no log ${path}: wdockd has not run yet, or works with another folder (--config)`,
        { cause: error },
      );
    }
    throw new DockError('io', `the log ${path} cannot be read: ${message}`, { cause: error });
  }
}

async function readRest(file: FileHandle, tail: Lines): Promise<Buffer> {
  const { size } = await file.stat();
  const buffer = Buffer.alloc(Math.max(0, size - tail.offset));
  const { bytesRead } = await file.read(buffer, 0, buffer.length, tail.offset);
  return buffer.subarray(0, bytesRead);
}

async function wasReplaced(file: FileHandle, path: string): Promise<boolean> {
  const [opened, named] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return named !== undefined && named.ino !== opened.ino;
}

/**
 * Changes of a file, also when another takes its name (a log that is rotated away), so it watches the folder. One
 * that comes while nobody waits is kept: the next wait ends at once.
 */
class Changes implements Disposable {
  readonly #watcher: FSWatcher;
  #changed = false;
  #wake: () => void = () => undefined;

  constructor(path: string) {
    this.#watcher = watchFile(dirname(path), (_event, name) => {
      if (name !== null && name !== basename(path)) return;
      this.#changed = true;
      this.#wake();
    });
  }

  async next(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    signal.addEventListener('abort', this.#wake, { once: true });
    if (!this.#changed && !signal.aborted) await promise;
    signal.removeEventListener('abort', this.#wake);
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }
}
