import { constants } from 'node:fs';
import { type FileHandle, open, readdir, readlink } from 'node:fs/promises';
import { DockError } from '../../../protocol/dock-error.ts';

/** A memory file of a QEMU, open here. */
export interface MemoryFile {
  readonly fd: number;
  readonly bytes: number;
}

/** How QEMU names the files of `memory-backend-memfd`; `(deleted)` follows, as they have no other name. */
const memoryName = '/memfd:memory-backend-memfd';

/**
 * The memory of a machine, through descriptors of our own: it stays when QEMU ends, and takes as much of the host's memory as
 * before, until this is disposed.
 */
export class GuestMemory implements AsyncDisposable {
  readonly files: readonly MemoryFile[];
  readonly #handles: readonly FileHandle[];

  private constructor(opened: readonly { handle: FileHandle; bytes: number }[]) {
    this.#handles = opened.map(({ handle }) => handle);
    this.files = opened.map(({ handle, bytes }) => ({ fd: handle.fd, bytes }));
  }

  /** Of a QEMU that runs. Throws `io` when wdockd may not look at it, or it has none. */
  static async open(pid: number): Promise<GuestMemory> {
    const folder = `/proc/${pid}/fd`;
    const opened: { handle: FileHandle; bytes: number }[] = [];
    try {
      const numbers = (await readdir(folder)).map(Number).sort((one, other) => one - other);
      for (const number of numbers) {
        const path = `${folder}/${number}`;
        if (!(await readlink(path).catch(() => '')).startsWith(memoryName)) continue;
        const handle = await open(path, constants.O_RDONLY);
        opened.push({ handle, bytes: 0 });
        opened[opened.length - 1] = { handle, bytes: (await handle.stat()).size };
      }
      if (opened.length === 0) throw new Error('it has no memory file');
      return new GuestMemory(opened);
    } catch (cause) {
      for (const { handle } of opened) await handle.close();
      throw new DockError(
        'io',
        `the memory of QEMU (pid ${pid}) cannot be read: ${(cause as Error).message}`,
        {
          cause,
        },
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#handles) await handle.close();
  }
}
