import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DockError } from '../../protocol/dock-error.ts';
import { takeKernelLock } from '../system/process/kernel-lock.ts';

/** Makes sure that one process at a time works with a folder, and that a second one can say which has it. */
export class InstanceLock implements Disposable {
  readonly #lock: Disposable;

  private constructor(lock: Disposable) {
    this.#lock = lock;
  }

  /** Throws `conflict` when another process holds it, with its pid; `io` when it cannot be taken. */
  static acquire(path: string, what: string): InstanceLock {
    const pidFile = `${path}.pid`;
    let lock: Disposable | undefined;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
      lock = takeKernelLock(path);
      if (lock !== undefined) writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o644 });
    } catch (error) {
      lock?.[Symbol.dispose]();
      throw new DockError('io', `cannot lock ${path}: ${(error as Error).message}`, { cause: error });
    }
    if (lock !== undefined) return new InstanceLock(lock);
    throw new DockError(
      'conflict',
      `another wdockd${holderOf(pidFile)} already works with ${what}; stop it first, or give this one folders of its own`,
    );
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }
}

function holderOf(pidFile: string): string {
  try {
    return ` (pid ${readFileSync(pidFile, 'utf8').trim()})`;
  } catch {
    return '';
  }
}
