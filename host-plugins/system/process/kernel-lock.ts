import { DatabaseSync } from 'node:sqlite';

/** SQLITE_BUSY, https://sqlite.org/rescode.html#busy */
const busy = 5;

/**
 * Takes a lock of the kernel on the file, made where it is missing; undefined when another process, or another lock of
 * this one, has it. It holds in every namespace, and the kernel releases it however the process ends; disposing does,
 * too. Node has no flock(2), and a file with a pid in it is a race and a lie after a reboot; SQLite, which is in Node,
 * locks its database with fcntl(2). The database stays empty. Throws what SQLite throws where the file cannot be opened.
 */
export function takeKernelLock(path: string): Disposable | undefined {
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
    return { [Symbol.dispose]: () => database.close() };
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === busy) return undefined;
    throw error;
  }
}
