import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { DockError } from '../../protocol/dock-error.ts';
import { nameOf, Sealing, sealOverheadBytes, unseal } from '../pages/kept/seal.ts';
import { hashBytes, pageBytes } from '../pages/page-list.ts';
import type { DriveFolder } from './drive-folder.ts';
import { longestPart } from './recipe.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
const fast = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Pages that are compressed and sealed together, at most: one of them costs the reading of all. */
export const chunkPages = 256;
const contentPattern = /^[0-9a-f]{64}$/;
/** zstd adds little to what it cannot compress. */
const longestFile = Math.max(longestPart, chunkPages * (pageBytes + hashBytes)) * 2 + sealOverheadBytes;

export interface WrittenFile {
  readonly file: string;
  readonly bytes: number;
}

/**
 * The content of images: files named after what is in them, each sealed with the directory's key for its name and this
 * machine. A chunk has the hashes of its pages in front, so that it is of use to the next image without the last one's head.
 */
export class ImageFiles {
  readonly #folder: DriveFolder;
  readonly #key: Buffer;
  readonly #machine: string;
  readonly #sealing: Sealing;

  /** @param machine UUID of the machine that they are of */
  constructor(folder: DriveFolder, key: Buffer, machine: string) {
    this.#folder = folder;
    this.#key = key;
    this.#machine = machine;
    this.#sealing = new Sealing(key);
  }

  static isContent(name: string): boolean {
    return contentPattern.test(name);
  }

  /** `hashes` and `pages` are the callee's from now on. */
  async writeChunk(hashes: Buffer, pages: Buffer): Promise<WrittenFile> {
    const file = nameOf(this.#key, hashes).toString('hex');
    const count = Buffer.alloc(4);
    count.writeUInt32LE(hashes.length / hashBytes);
    return await this.#write(file, [count, hashes, await compress(pages, fast)]);
  }

  async writeRecipe(part: Buffer): Promise<WrittenFile> {
    const file = nameOf(this.#key, part).toString('hex');
    return await this.#write(file, [await compress(part, fast)]);
  }

  /** The hashes of a chunk whose seal is whole; undefined for what is none. Throws `io`. */
  async hashesOf(file: string): Promise<{ hashes: Buffer; bytes: number } | undefined> {
    const sealed = await this.#folder.read(file, longestFile);
    try {
      if (sealed === undefined) return undefined;
      const { hashes } = splitChunk(unseal(this.#key, sealed, this.#purpose(file)));
      const isChunk = nameOf(this.#key, hashes).toString('hex') === file;
      return isChunk ? { hashes, bytes: sealed.length } : undefined;
    } catch {
      return undefined; // damaged, of another key, or a recipe
    }
  }

  /** Throws `untrusted` or `protocol` for one that is missing or damaged, `io` when it cannot be read. */
  async readChunk(file: string, pages: number): Promise<Buffer> {
    const { compressed } = splitChunk(await this.#read(file));
    return await this.#decompress(compressed, pages * pageBytes, file);
  }

  async readRecipe(file: string): Promise<Buffer> {
    return await this.#decompress(await this.#read(file), undefined, file);
  }

  async #write(file: string, parts: readonly Buffer[]): Promise<WrittenFile> {
    const sealed = this.#sealing.seal(parts, this.#purpose(file));
    await this.#folder.write(file, sealed);
    return { file, bytes: sealed.length };
  }

  async #read(file: string): Promise<Buffer> {
    const sealed = await this.#folder.read(file, longestFile);
    if (sealed === undefined) throw new DockError('untrusted', `its file ${file} is missing`);
    return unseal(this.#key, sealed, this.#purpose(file));
  }

  async #decompress(compressed: Buffer, bytes: number | undefined, file: string): Promise<Buffer> {
    const content = await decompress(compressed, { maxOutputLength: bytes ?? longestPart }).catch(
      (cause: unknown) => {
        throw new DockError('protocol', `its file ${file} cannot be unpacked`, { cause });
      },
    );
    if (bytes === undefined || content.length === bytes) return content;
    throw new DockError('protocol', `its file ${file} has another length`);
  }

  #purpose(file: string): string {
    return `${this.#machine}/suspended/${file}`;
  }
}

function splitChunk(content: Buffer): { hashes: Buffer; compressed: Buffer } {
  const count = content.length < 4 ? 0 : content.readUInt32LE(0);
  const end = 4 + count * hashBytes;
  if (count === 0 || count > chunkPages || content.length < end) {
    throw new DockError('protocol', 'this is no chunk of pages');
  }
  return { hashes: content.subarray(4, end), compressed: content.subarray(end) };
}
