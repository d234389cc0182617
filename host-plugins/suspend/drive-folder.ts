import { constants, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DockError } from '../../protocol/dock-error.ts';

/**
 * A folder on a drive that may be pulled. All goes through the folder as it was opened: when something else is mounted in
 * its place, or it is unmounted, nothing lands on the disk below, and the next access says so.
 */
export class DriveFolder implements AsyncDisposable {
  /** As its user names it. */
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #facts: Stats;

  private constructor(path: string, handle: FileHandle, facts: Stats) {
    this.path = path;
    this.#handle = handle;
    this.#facts = facts;
  }

  /** Makes it where it is missing; `base` has to be there. Throws `not-found`, `io`. */
  static async make(base: string, ...below: readonly string[]): Promise<DriveFolder> {
    const facts = await stat(base).catch(() => undefined);
    if (facts?.isDirectory() !== true) {
      throw new DockError('not-found', `there is no folder ${base}; is the drive mounted there?`);
    }
    const path = join(base, ...below);
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw driveFailure(path, 'written', error);
    }
    return await DriveFolder.open(path);
  }

  /** Throws `not-found` where there is none, `io` when it cannot be read. */
  static async open(path: string): Promise<DriveFolder> {
    try {
      const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        return new DriveFolder(path, handle, await handle.stat());
      } catch (error) {
        await handle.close();
        throw error;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        throw new DockError('not-found', `there is no folder ${path}`, { cause: error });
      throw driveFailure(path, 'read', error);
    }
  }

  async names(): Promise<string[]> {
    await this.requireMounted('read');
    return await this.#attempt('read', async () => await readdir(this.#inside('')));
  }

  /** Undefined where there is none of that name. */
  async size(name: string): Promise<number | undefined> {
    return await this.#attempt('read', async () => {
      const facts = await stat(this.#inside(name)).catch(undefinedIfMissing);
      return facts?.isFile() === true ? facts.size : undefined;
    });
  }

  /** Undefined where there is none of that name. Throws `untrusted` for one that is longer. */
  async read(name: string, maxBytes: number): Promise<Buffer | undefined> {
    await this.requireMounted('read');
    return await this.#attempt('read', async () => {
      const file = await open(this.#inside(name), 'r').catch(undefinedIfMissing);
      if (file === undefined) return undefined;
      try {
        const { size } = await file.stat();
        if (size > maxBytes) throw new DockError('untrusted', `${join(this.path, name)} is too long`);
        return await file.readFile();
      } finally {
        await file.close();
      }
    });
  }

  /** It appears whole under its name or not at all, and its content is durable; its name is after `sync`. */
  async write(name: string, content: Uint8Array): Promise<void> {
    await this.requireMounted('written');
    const temporary = this.#inside(`${name}.new`);
    await this.#attempt('written', async () => {
      try {
        const file = await open(temporary, 'w', 0o600);
        try {
          await file.writeFile(content);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(temporary, this.#inside(name));
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined); // what failed first is told
        throw error;
      }
    });
  }

  /** Makes the names durable. */
  async sync(): Promise<void> {
    await this.requireMounted('written');
    await this.#attempt('written', async () => await this.#handle.sync());
  }

  async remove(name: string): Promise<void> {
    await this.#attempt('written', async () => await rm(this.#inside(name), { force: true }));
  }

  async freeBytes(): Promise<number> {
    return await this.#attempt('read', async () => {
      const { bavail, bsize } = await statfs(this.#inside(''));
      return bavail * bsize;
    });
  }

  /** Throws `io` when the path leads somewhere else by now. */
  async requireMounted(what: 'read' | 'written'): Promise<void> {
    const now = await stat(this.path).catch(() => undefined);
    if (now?.dev === this.#facts.dev && now.ino === this.#facts.ino) return;
    throw new DockError(
      'io',
      `${this.path} is not there any more and cannot be ${what}: was its drive pulled or unmounted?`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close().catch(() => undefined); // of a drive that is gone
  }

  #inside(name: string): string {
    return `/proc/self/fd/${this.#handle.fd}/${name}`;
  }

  async #attempt<T>(what: 'read' | 'written', work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof DockError ? error : driveFailure(this.path, what, error);
    }
  }
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

function driveFailure(path: string, what: 'read' | 'written', cause: unknown): DockError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const reason = code ?? message;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new DockError(
      'does-not-fit',
      `${path} is full (${code}); make room on that drive, or take another`,
      {
        cause,
      },
    );
  }
  const gone = code === 'EIO' || code === 'ENODEV' || code === 'ENXIO';
  return new DockError(
    'io',
    `${path} cannot be ${what} (${reason})${gone ? ': was its drive pulled?' : ''}`,
    { cause },
  );
}
