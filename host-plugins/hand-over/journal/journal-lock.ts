import { DatabaseSync } from 'node:sqlite';
import { DockError } from '../../../protocol/dock-error.ts';

/** SQLITE_BUSY, https://sqlite.org/rescode.html#busy */
const busy = 5;

/**
 * Keeps a second process, and a second journal in this one, off the same file, in whatever namespaces they are. Node
 * has no flock(2); SQLite, which is in Node, takes a lock of the kernel (fcntl) on its file, and the kernel releases it
 * however the process ends. The database stays empty. Throws `conflict` when it is held.
 */
export function lockJournal(path: string): Disposable {
  const lock = `${path}.lock`;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(lock);
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
    const held = database;
    return { [Symbol.dispose]: () => held.close() };
  } catch (error) {
    database?.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === busy) {
      throw new DockError(
        'conflict',
        `another process uses the hand-over journal ${path}; stop that wdockd first`,
      );
    }
    throw new DockError('io', `cannot lock the hand-over journal ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
