import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DockError } from '../../protocol/dock-error.ts';
import { Sealing, unseal } from '../pages/kept/seal.ts';
import { DriveFolder } from './drive-folder.ts';
import { ImageFiles, type WrittenFile } from './image-files.ts';
import { decodeHead, encodeHead, type ImageHead, imageIdOf } from './image-head.ts';
import {
  KeyFile,
  type KeyHolder,
  newImageKey,
  type Recipient,
  unwrapImageKey,
  wrapImageKey,
} from './image-key.ts';

/** Everything of ours on a drive is below it; a folder for each workspace. */
const topName = 'wireless-dock';
const headName = 'image';
const keyPattern = /^key-([0-9a-f]{32})\.json$/;
const keyIdBytes = 16;
const longestKeyFile = 1024 * 1024;
/** 1 KiB a chunk is ample. */
const longestHeadFile = 256 * 1024 * 1024;
const headPurpose = 'head of a suspended image';

export interface FoundImage {
  readonly id: string;
  readonly head: ImageHead;
  readonly files: ImageFiles;
}

/** The folder of one workspace on a drive: keys, content, and at most one image that is whole. */
export class SuspendedFolder implements AsyncDisposable {
  readonly #folder: DriveFolder;

  private constructor(folder: DriveFolder) {
    this.#folder = folder;
  }

  /** Throws `not-found` when the drive's folder is not there. */
  static async make(directory: string, workspace: string): Promise<SuspendedFolder> {
    return new SuspendedFolder(await DriveFolder.make(directory, topName, workspace));
  }

  /** Throws `not-found` where nothing of the workspace is; without a name, of the only one there is. */
  static async open(directory: string, workspace: string | undefined): Promise<SuspendedFolder> {
    const name = workspace ?? (await onlyWorkspace(directory));
    try {
      return new SuspendedFolder(await DriveFolder.open(join(directory, topName, name)));
    } catch (error) {
      if (DockError.from(error).kind !== 'not-found') throw error;
      throw new DockError('not-found', `nothing of the workspace "${name}" is suspended in ${directory}`);
    }
  }

  get path(): string {
    return this.#folder.path;
  }

  async freeBytes(): Promise<number> {
    return await this.#folder.freeBytes();
  }

  /** Throws `io` when the drive is not there any more. */
  async requireMounted(): Promise<void> {
    await this.#folder.requireMounted('written');
  }

  /**
   * Throws `conflict` where there is an image of another machine, or one that cannot be told to be of this one: it may be all
   * that there is of it.
   */
  async requireOurs(self: KeyHolder, machine: string): Promise<void> {
    try {
      const there = await this.#head(self);
      if (there === undefined || there.head.machine.contract.uuid === machine) return;
    } catch (error) {
      if (DockError.from(error).kind !== 'untrusted') throw error;
    }
    throw new DockError(
      'conflict',
      `${this.path} has an image that is not of this machine, or cannot be read by this device; take another folder, or move that one away`,
    );
  }

  /**
   * The key for a new image: the one that is there, where nobody but these devices has it, so that what is there is of use;
   * else a new one. Durable on return.
   */
  async keyFor(recipients: readonly Recipient[], self: KeyHolder): Promise<Buffer> {
    const wanted = new Set(recipients.map(({ id }) => id));
    for (const name of await this.#folder.names()) {
      if (!keyPattern.test(name)) continue;
      const file = await this.#readKeyFile(name).catch(() => undefined); // damaged: as if it were not there
      if (file === undefined || file.devices.some(({ device }) => !wanted.has(device))) continue;
      const key = tryUnwrap(file, self);
      if (key === undefined || keyNameOf(key) !== name) continue;
      if (file.devices.length < wanted.size) await this.#writeKey(key, recipients);
      return key;
    }
    const key = newImageKey();
    await this.#writeKey(key, recipients);
    return key;
  }

  /** What is said to be an image here is none any more, durably: its VM runs. */
  async retract(): Promise<void> {
    await this.#folder.remove(headName);
    await this.#folder.sync();
  }

  filesFor(key: Buffer, machine: string): ImageFiles {
    return new ImageFiles(this.#folder, key, machine);
  }

  /** Chunks that are there and whole, whatever image they are of. */
  async *known(
    files: ImageFiles,
    signal: AbortSignal,
  ): AsyncGenerator<{ file: WrittenFile; hashes: Buffer; fraction: number }> {
    const names = (await this.#folder.names()).filter((name) => ImageFiles.isContent(name)).sort();
    for (const [number, name] of names.entries()) {
      signal.throwIfAborted();
      const found = await files.hashesOf(name);
      if (found === undefined) continue;
      const fraction = (number + 1) / names.length;
      yield { file: { file: name, bytes: found.bytes }, hashes: found.hashes, fraction };
    }
  }

  /** Makes it the image, durably, and returns its id. Its files are durable already. */
  async publish(key: Buffer, head: ImageHead): Promise<string> {
    await this.#folder.sync();
    const encoded = encodeHead(head);
    const sealed = new Sealing(key).seal([encoded], headPurpose);
    await this.#folder.write(headName, Buffer.concat([keyIdOf(key), sealed]));
    await this.#folder.sync();
    return imageIdOf(encoded);
  }

  /** Removes what the image does not need: older content, keys that others have, what crashes have left. */
  async sweep(key: Buffer, head: ImageHead): Promise<void> {
    const needed = new Set([
      headName,
      keyNameOf(key),
      ...[...head.recipe, ...head.chunks].map(({ file }) => file),
    ]);
    for (const name of await this.#folder.names()) {
      const ours = ImageFiles.isContent(name) || keyPattern.test(name) || name.endsWith('.new');
      if (ours && !needed.has(name)) await this.#folder.remove(name);
    }
    await this.#folder.sync();
  }

  /**
   * Its image, as far as it can be told without its content: every file is there and as long as it was. Throws `not-found`
   * where there is none, `untrusted` for one that is damaged or not for this device.
   */
  async find(self: KeyHolder): Promise<FoundImage> {
    const found = await this.#head(self);
    if (found === undefined) {
      throw new DockError(
        'not-found',
        `there is no whole image in ${this.path}: what was being suspended there was not finished, or runs again`,
      );
    }
    const { id, head, key } = found;
    for (const part of [...head.recipe, ...head.chunks]) {
      const size = await this.#folder.size(part.file);
      if (size !== part.bytes)
        throw this.damaged(`its file ${part.file} ${size === undefined ? 'is missing' : 'is cut short'}`);
    }
    return { id, head, files: this.filesFor(key, head.machine.contract.uuid) };
  }

  /** Undefined where there is none. */
  async #head(self: KeyHolder): Promise<{ id: string; head: ImageHead; key: Buffer } | undefined> {
    const bytes = await this.#folder.read(headName, longestHeadFile);
    if (bytes === undefined) return undefined;
    const file = await this.#readKeyFile(`key-${bytes.subarray(0, keyIdBytes).toString('hex')}.json`);
    const key = unwrapImageKey(file, self);
    if (key === undefined) {
      throw new DockError(
        'untrusted',
        `the image in ${this.path} is not for this device: it is for those that its device trusted as owned when it was suspended`,
      );
    }
    const encoded = this.#explained(() => unseal(key, bytes.subarray(keyIdBytes), headPurpose));
    const head = this.#explained(() => decodeHead(encoded));
    return { id: imageIdOf(encoded), head, key };
  }

  damaged(why: string, cause?: unknown): DockError {
    return new DockError(
      'untrusted',
      `the image in ${this.path} is damaged: ${why}. Nothing was started from it; another copy of it is as good`,
      { cause },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  #explained<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.damaged(DockError.from(error).message, error);
    }
  }

  async #readKeyFile(name: string): Promise<KeyFile> {
    const bytes = await this.#folder.read(name, longestKeyFile);
    const parsed = KeyFile.safeParse(bytes === undefined ? undefined : parseJson(bytes.toString('utf8')));
    if (parsed.success) return parsed.data;
    throw this.damaged(`its key ${name} ${bytes === undefined ? 'is missing' : 'cannot be read'}`);
  }

  async #writeKey(key: Buffer, recipients: readonly Recipient[]): Promise<void> {
    await this.#folder.write(
      keyNameOf(key),
      Buffer.from(`${JSON.stringify(wrapImageKey(key, recipients))}\n`),
    );
    await this.#folder.sync();
  }
}

async function onlyWorkspace(directory: string): Promise<string> {
  const nothing = (cause?: unknown) =>
    new DockError('not-found', `nothing is suspended in ${directory}; is the drive mounted there?`, {
      cause,
    });
  const names = await namesBelow(join(directory, topName)).catch((error: unknown) => {
    throw nothing(error);
  });
  const [only] = names;
  if (only === undefined) throw nothing();
  if (names.length === 1) return only;
  throw new DockError(
    'usage',
    `${directory} has several workspaces (${names.sort().join(', ')}); name one with --workspace`,
  );
}

async function namesBelow(path: string): Promise<string[]> {
  await using folder = await DriveFolder.open(path);
  return await folder.names();
}

function tryUnwrap(file: KeyFile, self: KeyHolder): Buffer | undefined {
  try {
    return unwrapImageKey(file, self);
  } catch {
    return undefined; // damaged: a new one is made
  }
}

function keyIdOf(key: Buffer): Buffer {
  return createHash('sha256')
    .update('wireless-dock image key\n')
    .update(key)
    .digest()
    .subarray(0, keyIdBytes);
}

function keyNameOf(key: Buffer): string {
  return `key-${keyIdOf(key).toString('hex')}.json`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
