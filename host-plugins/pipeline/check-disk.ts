import { constants } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, sep } from 'node:path';
import { DockError } from '../../protocol/dock-error.ts';
import { type ImageInfo, readImageInfo } from '../qemu/image-info.ts';

type DiskFormat = 'qcow2' | 'raw';

export interface DiskWish {
  readonly path: string;
  /** As the user says; else as its content says. */
  readonly format?: DiskFormat;
  /** Files of other folders that the user says belong to it. */
  readonly backingFiles: readonly string[];
}

/** A disk that is taken already. */
export interface TakenDisk {
  readonly workspace: string;
  readonly path: string;
  readonly format: DiskFormat;
}

/** What was found out, for the user to see. */
export interface CheckedDisk {
  readonly path: string;
  readonly format: DiskFormat;
  /** As the guest sees it. */
  readonly bytes: number;
  readonly backingFiles: string[];
}

/** A raw disk is a row of these. */
const sectorBytes = 512;

/**
 * Finds out whether a VM may have this disk. The format is that of the content, never of the name: a guest that gets a
 * qcow2 image as raw would destroy it. Throws `usage` or `not-found`.
 */
export async function checkDisk(
  wish: DiskWish,
  taken: readonly TakenDisk[],
  signal: AbortSignal,
): Promise<CheckedDisk> {
  const self = await identify(wish.path);
  await refuseTaken(wish.path, self, taken, signal);
  await requireExclusive(wish.path, self.block);
  const info = await readImageInfo({ path: wish.path }, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    const { kind, message } = DockError.from(error);
    throw kind === 'conflict' || kind === 'io' ? new DockError('usage', message, { cause: error }) : error;
  });
  const format = formatOf(info, wish, self);
  refuseUnusable(wish.path, info);
  const backingFiles = await checkBackingFiles(wish, info, taken, signal);
  return { path: wish.path, format, bytes: info.bytes, backingFiles };
}

interface FileIdentity {
  readonly key: string;
  readonly block: boolean;
  readonly size: number;
}

async function identify(path: string): Promise<FileIdentity> {
  if (!isAbsolute(path)) throw new DockError('usage', `${path} is no absolute path`);
  const facts = await stat(path).catch((cause: unknown) => {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new DockError('not-found', `there is no file ${path}`, { cause });
    }
    throw new DockError('usage', `${path} cannot be looked at: ${message}`, { cause });
  });
  if (facts.isBlockDevice()) return { key: `device ${facts.rdev}`, block: true, size: 0 };
  if (facts.isFile()) return { key: `file ${facts.dev} ${facts.ino}`, block: false, size: facts.size };
  const what = facts.isDirectory()
    ? 'a folder'
    : facts.isCharacterDevice()
      ? 'a character device'
      : 'a pipe or socket';
  throw new DockError('usage', `${path} is ${what}; it has to be a file or a block device`);
}

async function refuseTaken(
  path: string,
  self: FileIdentity,
  taken: readonly TakenDisk[],
  signal: AbortSignal,
): Promise<void> {
  for (const other of taken) {
    const key = await identify(other.path).then(
      (identity) => identity.key,
      () => undefined, // it is gone: the other workspace's trouble
    );
    if (key === self.key) {
      throw new DockError('usage', `${path} is the disk of the workspace "${other.workspace}" already`);
    }
    if (key !== undefined && (await backingFilesOf(other, signal)).includes(self.key)) {
      throw new DockError(
        'usage',
        `${path} is the backing file of the disk of the workspace "${other.workspace}" and must stay as it is`,
      );
    }
  }
}

/** The files below an image that is in use, perhaps; as far as they can be read. */
async function backingFilesOf(image: TakenDisk, signal: AbortSignal): Promise<string[]> {
  const keys: string[] = [];
  try {
    let info = await readImageInfo({ path: image.path, format: image.format, inUse: true }, signal);
    while (info.backing !== undefined) {
      const { key } = await identify(info.backing.name);
      if (keys.includes(key)) break;
      keys.push(key);
      info = await readImageInfo(
        { path: info.backing.name, ...onlyFormat(info.backing), inUse: true },
        signal,
      );
    }
  } catch {
    signal.throwIfAborted(); // what cannot be read is refused when that workspace starts
  }
  return keys;
}

/** What is mounted, swapped to, or a part of something larger cannot be opened exclusively (open(2), O_EXCL). */
async function requireExclusive(path: string, block: boolean): Promise<void> {
  try {
    await using _ = await open(path, block ? constants.O_RDWR | constants.O_EXCL : constants.O_RDWR);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new DockError(
      'usage',
      code === 'EBUSY'
        ? `${path} is in use by this computer: it, or a part of it, is mounted, is swap, or belongs to a RAID or volume group`
        : `wdockd cannot read and write ${path}: ${message}`,
      { cause },
    );
  }
}

function formatOf(info: ImageInfo, wish: DiskWish, self: FileIdentity): DiskFormat {
  const { path } = wish;
  if (!self.block && self.size === 0) throw new DockError('usage', `${path} is empty`);
  if (info.format !== 'qcow2' && info.format !== 'raw') {
    throw new DockError(
      'usage',
      `${path} is ${info.format}, and has to be qcow2 or raw; \`qemu-img convert -O qcow2\` makes one of it`,
    );
  }
  if (wish.format !== undefined && wish.format !== info.format) {
    throw new DockError(
      'usage',
      info.format === 'raw'
        ? `${path} is no ${wish.format}: it has no header of that format`
        : `${path} is ${info.format} by its content; a guest that gets it as ${wish.format} destroys it`,
    );
  }
  if (info.format === 'raw' && self.size % sectorBytes !== 0) {
    throw new DockError(
      'usage',
      `${path} is no disk image: it has ${self.size} bytes, which are no whole sectors of ${sectorBytes}`,
    );
  }
  return info.format;
}

function refuseUnusable(path: string, info: ImageInfo): void {
  const why =
    info.bytes === 0
      ? 'has no content'
      : info.encrypted
        ? 'is encrypted, and nobody would give QEMU its key'
        : info.corrupt
          ? 'is marked as corrupt; `qemu-img check` shows and mends it'
          : info.dataFile === undefined
            ? undefined
            : `keeps its data in another file, ${info.dataFile}; \`qemu-img convert -O qcow2\` makes one of both`;
  if (why !== undefined) throw new DockError('usage', `${path} ${why}`);
}

/**
 * QEMU opens whatever an image names as the one below it, and the guest reads that: an image from elsewhere could name
 * any file of this device. Throws for one outside the disk's folder that the user has not named. Returns them all.
 */
async function checkBackingFiles(
  wish: DiskWish,
  top: ImageInfo,
  taken: readonly TakenDisk[],
  signal: AbortSignal,
): Promise<string[]> {
  const folder = dirname(await realpath(wish.path));
  const said = new Map<string, string>();
  for (const path of wish.backingFiles) said.set((await identify(path)).key, path);
  const seen = new Map<string, string>();
  let above = { path: wish.path, info: top };
  while (above.info.backing !== undefined) {
    const { name, format } = above.info.backing;
    if (!isAbsolute(name))
      throw new DockError(
        'usage',
        `${above.path} has the backing file ${name}, which is no file of this device`,
      );
    if (format === undefined) {
      throw new DockError(
        'usage',
        `${above.path} does not say the format of its backing file ${name}; \`qemu-img rebase -u -F FORMAT -b ${name} ${above.path}\` does`,
      );
    }
    const { key } = await identify(name).catch((error: unknown) => {
      throw ofBackingFile(above.path, error);
    });
    if (seen.has(key)) throw new DockError('usage', `${name} is a backing file of itself`);
    seen.set(key, name);
    if (!said.has(key) && !(await realpath(name)).startsWith(`${folder}${folder === sep ? '' : sep}`)) {
      throw new DockError(
        'usage',
        `${above.path} has the backing file ${name}, which is not in the disk's folder; the guest can read all of it. If it shall: --backing-file ${name}`,
      );
    }
    const info = await readImageInfo({ path: name, format }, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw ofBackingFile(above.path, error);
    });
    refuseUnusable(name, info);
    above = { path: name, info };
  }
  for (const [key, path] of said) {
    if (!seen.has(key))
      throw new DockError('usage', `${path}, which --backing-file names, is no backing file of ${wish.path}`);
  }
  for (const other of taken) {
    const key = await identify(other.path).then(
      (identity) => identity.key,
      () => '',
    );
    const base = seen.get(key);
    if (base !== undefined) {
      throw new DockError(
        'usage',
        `${wish.path} has the backing file ${base}, the disk of the workspace "${other.workspace}", which writes to it`,
      );
    }
  }
  return [...seen.values()];
}

function ofBackingFile(path: string, error: unknown): DockError {
  return new DockError('usage', `the backing file of ${path}: ${DockError.from(error).message}`, {
    cause: error,
  });
}

function onlyFormat({ format }: { readonly format?: string }): { readonly format?: string } {
  return format === undefined ? {} : { format };
}
