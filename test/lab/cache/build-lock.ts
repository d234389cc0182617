import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { interruption } from '../../../host-plugins/system/process/interruption.ts';
import { DockError } from '../../../protocol/dock-error.ts';

/**
 * Holds an exclusive lock on a file, which is made if missing. The kernel lets go of it when the holder ends,
 * however it ends, so a lock is never stale.
 */
export class BuildLock implements AsyncDisposable {
  readonly #holder: ReturnType<typeof spawn>;

  private constructor(holder: ReturnType<typeof spawn>) {
    this.#holder = holder;
  }

  /** Waits until nobody else holds the lock. `onWait` is called once, when somebody does. */
  static async acquire(path: string, onWait: () => void, signal: AbortSignal): Promise<BuildLock> {
    const holding = await BuildLock.#tryAcquire(path, ['--nonblock'], signal);
    if (holding) return holding;
    onWait();
    const waited = await BuildLock.#tryAcquire(path, [], signal);
    if (waited) return waited;
    throw new DockError('io', `cannot lock ${path}; is its folder writable?`);
  }

  /** @returns undefined when somebody else holds the lock */
  static async tryAcquire(path: string, signal: AbortSignal): Promise<BuildLock | undefined> {
    return BuildLock.#tryAcquire(path, ['--nonblock'], signal);
  }

  static async #tryAcquire(
    path: string,
    flags: string[],
    signal: AbortSignal,
  ): Promise<BuildLock | undefined> {
    if (signal.aborted) throw interruption(signal, `the lock on ${path}`);
    // Node cannot flock. The child holds the lock for as long as our end of its standard input is open.
    const holder = spawn('flock', [...flags, path, 'sh', '-c', 'echo held; exec cat'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      // A session of its own: a Ctrl-C must not let go of the lock before the build has been undone.
      detached: true,
    });
    const abort = () => holder.kill();
    signal.addEventListener('abort', abort, { once: true });
    try {
      const held = once(holder.stdout, 'data').then(() => true);
      const ended = once(holder, 'close').then(() => false);
      // `once` rejects when the program cannot be started; the loser of the race must not do so unheard.
      ended.catch(() => undefined);
      held.catch(() => undefined);
      if (await Promise.race([held, ended])) return new BuildLock(holder);
      if (signal.aborted) throw interruption(signal, `the lock on ${path}`);
      return undefined;
    } catch (error) {
      if (signal.aborted) throw interruption(signal, `the lock on ${path}`);
      throw new DockError('missing-dependency', 'cannot start flock (package util-linux)', { cause: error });
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const ended = once(this.#holder, 'close');
    this.#holder.stdin?.end();
    this.#holder.stdout?.resume();
    await ended;
  }
}
