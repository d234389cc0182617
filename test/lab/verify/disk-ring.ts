import { execFile } from 'node:child_process';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { fillPage, judgePage, pageBytes } from './page-content.ts';

export interface DiskCounters {
  records: number;
  mismatches: number;
  ioErrors: number;
  firstProblem: string | undefined;
  longestWriteMs: number;
}

const slots = 256;
const run = promisify(execFile);

/** A file of 256 records of one page, written in turn, each synced and read back. Record `n` stands in slot `n % 256`. */
export class DiskRing implements AsyncDisposable {
  readonly counters: DiskCounters = {
    records: 0,
    mismatches: 0,
    ioErrors: 0,
    firstProblem: undefined,
    longestWriteMs: 0,
  };
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #salt: number;
  readonly #scratch = new Uint32Array(pageBytes / 4);
  /** Writing and the full check take turns: a check must not meet a half-written record. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle, path: string, salt: number) {
    this.#file = file;
    this.#path = path;
    this.#salt = salt;
  }

  static async create(path: string, salt: number): Promise<DiskRing> {
    return new DiskRing(await open(path, 'w+'), path, salt);
  }

  /** Writes one record, syncs it and reads it and the oldest record back. I/O errors are counted, not thrown. */
  append(): Promise<void> {
    return this.#inTurn(() => this.#append());
  }

  /** Reads every record from the disk itself (not from the page cache) and counts what is wrong. */
  checkAll(): Promise<void> {
    return this.#inTurn(() => this.#checkAll());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn;
    await this.#file.close();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work).catch((error: unknown) => {
      this.counters.ioErrors++;
      this.counters.firstProblem ??= String(error);
    });
    return this.#turn;
  }

  async #append(): Promise<void> {
    const record = this.counters.records;
    const page = new Uint32Array(pageBytes / 4);
    fillPage(page, this.#salt, record % slots, record);
    const startedMs = performance.now();
    await this.#file.write(new Uint8Array(page.buffer), 0, pageBytes, (record % slots) * pageBytes);
    await this.#file.datasync();
    this.counters.longestWriteMs = Math.max(this.counters.longestWriteMs, performance.now() - startedMs);
    this.counters.records++;
    await this.#checkCached(record);
    await this.#checkCached(Math.max(0, record - slots + 1));
  }

  async #checkCached(record: number): Promise<void> {
    const bytes = new Uint8Array(pageBytes);
    await this.#file.read(bytes, 0, pageBytes, (record % slots) * pageBytes);
    this.#judge(bytes, record, 'page cache');
  }

  async #checkAll(): Promise<void> {
    const { stdout } = await run('dd', [`if=${this.#path}`, 'iflag=direct', 'bs=1M', 'status=none'], {
      encoding: 'buffer',
      maxBuffer: 2 * slots * pageBytes,
    });
    const newest = this.counters.records - 1;
    for (let record = Math.max(0, newest - slots + 1); record <= newest; record++) {
      const start = (record % slots) * pageBytes;
      this.#judge(Uint8Array.from(stdout.subarray(start, start + pageBytes)), record, 'disk');
    }
  }

  #judge(bytes: Uint8Array, record: number, where: string): void {
    const found = new Uint32Array(bytes.buffer, 0, bytes.byteLength / 4);
    const finding =
      found.length === pageBytes / 4
        ? judgePage(found, this.#scratch, this.#salt, record % slots, record)
        : 'corrupt';
    if (finding === 'intact') return;
    this.counters.mismatches++;
    this.counters.firstProblem ??= `record ${record} in the ${where} is ${finding}`;
  }
}
