import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DockError } from '../../../protocol/dock-error.ts';
import { freeBuffer } from '../free-buffer.ts';
import { chunkName, decodeImage, encodeImage, type Image } from './image.ts';
import { Sealing, unseal } from './seal.ts';

const imageName = 'image';
const chunkPattern = /^[0-9a-f]{64}$/;

/**
 * The files of one image: `image`, which says what there is, and the chunks, each under a name made of its content. All
 * are sealed, for this workspace and for being what they are. A file appears whole or not at all (fsync, rename), and
 * `image` comes after what it names. For a worker: it blocks.
 */
export class ImageFolder {
  readonly path: string;
  readonly #key: Buffer;
  /** The UUID of the machine that the image is of. */
  readonly #machine: string;

  constructor(path: string, key: Buffer, machine: string) {
    this.path = path;
    this.#key = key;
    this.#machine = machine;
  }

  /**
   * Undefined where there is none. Throws `untrusted` or `protocol` for one that is damaged, of another machine or from
   * another device, `io` when it cannot be read.
   */
  readImage(): Image | undefined {
    const sealed = this.#read(imageName);
    return sealed === undefined
      ? undefined
      : decodeImage(unseal(this.#key, sealed, this.#purpose(imageName)));
  }

  /** On return it is durable, and what it does not name is gone. */
  writeImage(image: Image): void {
    fsyncFolder(this.path); // the chunks' names
    const sealed = new Sealing(this.#key).seal(encodeImage(image), this.#purpose(imageName));
    this.#write(imageName, sealed);
    fsyncFolder(this.path);
    this.sweep(image);
  }

  /** Removes what a crash has left, and chunks that the image does not name. */
  sweep(image: Image | undefined): void {
    const named = new Set<string>([imageName]);
    for (let chunk = 0; chunk < (image?.chunks.count ?? 0); chunk += 1) {
      if (image !== undefined) named.add(chunkName(image.chunks, chunk));
    }
    for (const name of this.#names()) if (!named.has(name)) rmSync(join(this.path, name), { force: true });
  }

  /** Of the chunks that are there: how long each is. */
  chunkSizes(): Map<string, number> {
    const sizes = new Map<string, number>();
    for (const name of this.#names()) {
      if (chunkPattern.test(name)) sizes.set(name, statSync(join(this.path, name)).size);
    }
    return sizes;
  }

  /** Returns how long its file is. */
  writeChunk(sealing: Sealing, name: string, content: Buffer): number {
    const sealed = sealing.seal([content], this.#purpose(name));
    this.#write(name, sealed);
    return sealed.length;
  }

  /** Throws as `readImage` does, and `io` where there is none. */
  readChunk(name: string): Buffer {
    const sealed = this.#read(name);
    if (sealed === undefined) throw new DockError('io', `the chunk ${name} is missing`);
    const content = unseal(this.#key, sealed, this.#purpose(name));
    freeBuffer(sealed);
    return content;
  }

  /** One that does not open: the next image is made without it. */
  removeChunk(name: string): void {
    rmSync(join(this.path, name), { force: true });
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  make(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
  }

  #names(): string[] {
    try {
      return readdirSync(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw this.#failure(error, 'read');
    }
  }

  #purpose(name: string): string {
    return `${this.#machine}/${name}`;
  }

  #read(name: string): Buffer | undefined {
    try {
      return readFileSync(join(this.path, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw this.#failure(error, 'read');
    }
  }

  #write(name: string, content: Buffer): void {
    const temporary = join(this.path, `${name}.new`);
    try {
      const file = openSync(temporary, 'w', 0o600);
      try {
        for (let done = 0; done < content.length; ) done += writeSync(file, content, done);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(temporary, join(this.path, name));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw this.#failure(error, 'written');
    }
  }

  #failure(cause: unknown, what: 'read' | 'written'): DockError {
    const { code, message } = cause as NodeJS.ErrnoException;
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    return new DockError(
      full ? 'does-not-fit' : 'io',
      `kept memory in ${this.path} cannot be ${what} (${code ?? message})`,
      { cause },
    );
  }
}

function fsyncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
