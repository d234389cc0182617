import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import { writeFileDurably } from '../../system/process/write-file-durably.ts';
import type { JournalPort } from '../ports.ts';
import { nowhere, type Position } from '../position.ts';
import { encodeLine, type JournalEntry, journalHeader } from './journal-line.ts';
import { lockJournal } from './journal-lock.ts';
import { readJournal } from './read-journal.ts';

/** Bytes of zeros kept behind the last entry, so that a hand-over that has begun needs no free disk space. */
const reserve = 16 * 1024;
/** Enough for the entries of one hand-over, each below 1 KiB. */
const leastReserve = 8 * 1024;
/** A journal above this many bytes is rewritten when it is opened, with so many of its last entries. */
const compactAbove = 128 * 1024;
const keptEntries = 50;

export interface JournalFileOptions {
  /** Ms since 1970; for the entries' times, which are for people. */
  readonly now: () => number;
}

/**
 * The durable memory of one workspace's hand-overs on this device. `append` returns when the entry is on the disk,
 * or throws when it is not and will not be; where even that cannot be known it throws with `detail.undetermined`, and
 * the journal takes nothing more until it is opened anew.
 */
export class JournalFile implements JournalPort, AsyncDisposable {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #lock: Disposable;
  readonly #now: () => number;
  #entries: JournalEntry[];
  #tail: number;
  #size: number;
  #broken: DockError | undefined;

  private constructor(
    path: string,
    file: FileHandle,
    lock: Disposable,
    options: JournalFileOptions,
    content: { readonly entries: readonly JournalEntry[]; readonly tail: number; readonly size: number },
  ) {
    this.path = path;
    this.#file = file;
    this.#lock = lock;
    this.#now = options.now;
    this.#entries = [...content.entries];
    this.#tail = content.tail;
    this.#size = content.size;
  }

  /**
   * Opens or makes it; its folder exists. Throws `conflict` when another process has it, `config-invalid` when it is
   * damaged, `io` when it cannot be read or written.
   */
  static async open(path: string, options: JournalFileOptions): Promise<JournalFile> {
    const lock = lockJournal(path);
    let file: FileHandle | undefined;
    try {
      file = await openOrCreate(path);
      let bytes = await file.readFile();
      let content = readJournal(bytes, path);
      if (content.torn) {
        await file.write(Buffer.alloc(bytes.length - content.tail), 0, undefined, content.tail);
        await file.datasync();
      }
      if (content.tail > compactAbove) {
        const kept = content.entries.slice(-keptEntries);
        await writeFileDurably(path, Buffer.concat([Buffer.from(journalHeader), ...kept.map(encodeLine)]));
        await file.close();
        file = await open(path, constants.O_RDWR);
        bytes = await file.readFile();
        content = readJournal(bytes, path);
      }
      return new JournalFile(path, file, lock, options, { ...content, size: bytes.length });
    } catch (error) {
      await file?.close();
      lock[Symbol.dispose]();
      if (error instanceof DockError) throw error;
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new DockError(
        'io',
        `cannot open the hand-over journal ${path} (${reason}); look at its folder and the disk, then restart wdockd`,
        { cause: error },
      );
    }
  }

  get position(): Position {
    return this.#entries.at(-1)?.position ?? nowhere;
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Since the last compaction, oldest first. */
  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  /**
   * Takes one entry at a time. Before an entry that begins a hand-over the space for all that may follow is made sure
   * of, so that a full disk refuses the beginning, not the end.
   */
  async append(position: Position, why: string): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    const entry = { at: this.#now(), why, position };
    const line = encodeLine(entry);
    const begins = position.at === 'offering' || position.at === 'accepting';
    if (this.#size - this.#tail < line.length + leastReserve) await this.#extend(line.length, begins);
    try {
      await writeAll(this.#file, line, this.#tail);
      await this.#file.datasync();
    } catch (error) {
      await this.#erase(error);
      throw this.#failure(error, false);
    }
    this.#tail += line.length;
    this.#size = Math.max(this.#size, this.#tail);
    this.#entries = [...this.#entries, entry];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    this.#lock[Symbol.dispose]();
  }

  async #extend(needed: number, required: boolean): Promise<void> {
    const to = this.#tail + needed + reserve;
    try {
      await writeAll(this.#file, Buffer.alloc(to - this.#size), this.#size);
      await this.#file.datasync();
      this.#size = to;
    } catch (error) {
      if (required) throw this.#failure(error, false);
    }
  }

  /** The entry must not be found by a later start: that would be a step that nobody took. */
  async #erase(because: unknown): Promise<void> {
    try {
      await this.#file.truncate(this.#tail);
      await this.#file.sync();
      this.#size = this.#tail;
    } catch {
      this.#broken = this.#failure(because, true);
      throw this.#broken;
    }
  }

  #failure(cause: unknown, undetermined: boolean): DockError {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const advice =
      reason === 'ENOSPC' || reason === 'EDQUOT'
        ? 'make room on this file system and try again'
        : 'look at the disk and its log, then restart wdockd';
    return new DockError('io', `cannot write the hand-over journal ${this.path} (${reason}); ${advice}`, {
      cause,
      detail: { undetermined },
    });
  }
}

/** Makes a journal by rename, so that there is never one without its first line. */
async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDWR);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await writeFileDurably(path, journalHeader);
  return open(path, constants.O_RDWR);
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
