import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DockError } from '../../protocol/dock-error.ts';

/**
 * Makes sure that one process at a time works with a folder. Node has no flock(2), and a file with a pid in it is
 * a race and a lie after a reboot; SQLite, which is in Node, takes a real lock of the kernel (fcntl) on its
 * database file, and the kernel releases it however the process ends. The database itself stays empty.
 */
export class InstanceLock implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Throws `conflict` when another process holds it, with its pid. */
  static acquire(path: string, what: string): InstanceLock {
    const pidFile = `${path}.pid`;
    let database: DatabaseSync | undefined;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
      database = new DatabaseSync(path);
      database.exec('PRAGMA journal_mode = MEMORY; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
      writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o644 });
      return new InstanceLock(database);
    } catch (error) {
      database?.close();
      if (isBusy(error)) {
        throw new DockError(
          'conflict',
          `another wdockd${holderOf(pidFile)} already works with ${what}; stop it first, or give this one folders of its own`,
          { cause: error },
        );
      }
      throw new DockError('io', `cannot lock ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** SQLITE_BUSY, https://sqlite.org/rescode.html#busy */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 5;
}

function holderOf(pidFile: string): string {
  try {
    return ` (pid ${readFileSync(pidFile, 'utf8').trim()})`;
  } catch {
    return '';
  }
}
