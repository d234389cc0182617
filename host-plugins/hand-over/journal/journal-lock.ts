import { DockError } from '../../../protocol/dock-error.ts';
import { takeKernelLock } from '../../system/process/kernel-lock.ts';

/**
 * Keeps a second process, and a second journal in this one, off the same file, in whatever namespaces they are. Throws
 * `conflict` when it is held, `io` when it cannot be taken.
 */
export function lockJournal(path: string): Disposable {
  const lock = takeOrThrow(path);
  if (lock !== undefined) return lock;
  throw new DockError(
    'conflict',
    `another process uses the hand-over journal ${path}; stop that wdockd, and restart this one`,
  );
}

function takeOrThrow(path: string): Disposable | undefined {
  try {
    return takeKernelLock(`${path}.lock`);
  } catch (cause) {
    throw new DockError(
      'io',
      `cannot lock the hand-over journal ${path}: ${(cause as Error).message}; look at its folder, then restart wdockd`,
      {
        cause,
      },
    );
  }
}
