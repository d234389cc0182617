import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { DockError } from '../../../protocol/dock-error.ts';
import { readImageInfo } from '../../qemu/image-info.ts';
import type { PageList } from '../page-list.ts';
import { type BlockListFacts, readBlockList } from './block-list-file.ts';
import { DiskBlocks } from './disk-blocks.ts';
import { type ImageIdentity, identifyImage, isUnchanged } from './image-identity.ts';
import { indexImage } from './index-image.ts';

export interface BaseImagesParts {
  /** Every image in them is listed. */
  readonly folders: readonly string[];
  /** Images that workspaces of this device stand on, wherever they are. */
  readonly backingFiles: (signal: AbortSignal) => Promise<readonly string[]>;
  /** Where the lists are kept. */
  readonly stateFolder: string;
  readonly runtimeFolder: string;
  readonly log: Logger;
}

/** Smaller ones have nothing that would be worth its list, bytes. */
const leastBytes = 1024 * 1024;
/** A new image is found after that, or when wdockd starts, ms. */
const lookEveryMs = 10 * 60_000;

/**
 * The images that disks of virtual machines stand on, and the SHA-256 of each of their blocks: what a guest has read from
 * such a disk need not travel to a device that has the same image. A list is made once, and anew when the file is another one.
 */
export class BaseImages {
  readonly #parts: BaseImagesParts;
  /** Lists that are whole, by their files. */
  readonly #known = new Map<string, BlockListFacts>();
  #sockets = 0;
  #pause = new AbortController();

  constructor(parts: BaseImagesParts) {
    this.#parts = parts;
  }

  /** Refreshes until the signal, which ends it without an error. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.refresh(signal);
      } catch (error) {
        if (!signal.aborted) this.#parts.log.warn({ err: error }, 'base images cannot be looked for');
      }
      const waiting = AbortSignal.any([signal, this.#pause.signal]);
      await delay(lookEveryMs, undefined, { signal: waiting, ref: false }).catch(() => undefined);
      this.#pause = new AbortController();
    }
  }

  /** There may be a new one: `watch` looks again at once. */
  lookAgain(): void {
    this.#pause.abort();
  }

  /** Looks for images and lists what is new, one after the other; what cannot be listed is a line in the log. */
  async refresh(signal: AbortSignal): Promise<void> {
    const { stateFolder, log } = this.#parts;
    await mkdir(stateFolder, { recursive: true, mode: 0o700 });
    const images = await this.#find(signal);
    const files = new Set(images.map((image) => this.#fileOf(image)));
    for (const name of await readdir(stateFolder)) {
      const file = join(stateFolder, name.replace(/\.begun$/, ''));
      if (!files.has(file)) await rm(join(stateFolder, name), { force: true });
    }
    for (const file of this.#known.keys()) if (!files.has(file)) this.#known.delete(file);
    for (const image of images) {
      signal.throwIfAborted();
      try {
        await this.#list(image, signal);
      } catch (error) {
        signal.throwIfAborted();
        log.warn({ image: image.path, err: error }, 'pages that are blocks of it will travel');
      }
    }
  }

  /** Those that are, as far as can be seen, what their lists say. */
  async offers(): Promise<BlockListFacts[]> {
    const known = [...this.#known.values()];
    const unchanged = await Promise.all(known.map(({ image }) => isUnchanged(image)));
    return known.filter((_, number) => unchanged[number] === true);
  }

  /** The list of that digest; undefined where there is none. 36 bytes a block for as long as it is held. */
  async list(digest: string): Promise<PageList | undefined> {
    for (const [file, facts] of this.#known) {
      if (facts.digest === digest) return (await readBlockList(file))?.list;
    }
    return undefined;
  }

  /** The blocks themselves; undefined where the image is not there any more, or is another one. Dispose it after use. */
  async open(digest: string): Promise<DiskBlocks | undefined> {
    const offered = (await this.offers()).find((each) => each.digest === digest);
    const list = await this.list(digest);
    if (offered === undefined || list === undefined) return undefined;
    return new DiskBlocks(offered.image, list, this.#socket());
  }

  async #list(image: ImageIdentity, signal: AbortSignal): Promise<void> {
    const file = this.#fileOf(image);
    if (await this.#take(file, image)) return;
    await indexImage(image, { list: file, socket: this.#socket() }, signal);
    if (!(await isUnchanged(image))) throw new DockError('conflict', `${image.path} has changed meanwhile`);
    if (!(await this.#take(file, image))) throw new DockError('io', `its list in ${file} is damaged`);
    const { digest, blocks } = this.#known.get(file) ?? {};
    this.#parts.log.info({ image: image.path, digest, blocks }, 'the blocks of a base image are listed');
  }

  async #take(file: string, image: ImageIdentity): Promise<boolean> {
    const read = await readBlockList(file);
    if (JSON.stringify(read?.facts.image) !== JSON.stringify(image)) return false;
    if (read !== undefined) this.#known.set(file, read.facts);
    return true;
  }

  async #find(signal: AbortSignal): Promise<ImageIdentity[]> {
    const paths = new Set(await this.#parts.backingFiles(signal));
    for (const folder of this.#parts.folders) {
      const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
        this.#parts.log.warn({ folder, err: error }, 'the folder of base images cannot be read');
        return [];
      });
      for (const entry of entries) if (entry.isFile()) paths.add(join(folder, entry.name));
    }
    const images = await Promise.all([...paths].toSorted().map((path) => this.#identify(path, signal)));
    return images.filter((image) => image !== undefined);
  }

  /** Undefined for what is no image that stands on its own, is encrypted, or is written to by somebody. */
  async #identify(path: string, signal: AbortSignal): Promise<ImageIdentity | undefined> {
    const facts = await stat(path).catch(() => undefined);
    if (facts === undefined || facts.size < 512) return undefined;
    const info = await readImageInfo({ path }, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      this.#parts.log.info({ image: path, why: DockError.from(error).message }, 'it is no base image');
      return undefined;
    });
    if (info === undefined || info.bytes < leastBytes) return undefined;
    const { format } = info;
    if (info.encrypted || info.corrupt || info.dataFile !== undefined || info.backing !== undefined)
      return undefined;
    return format === 'qcow2' || format === 'raw' ? await identifyImage(path, format) : undefined;
  }

  #fileOf({ path }: ImageIdentity): string {
    return join(this.#parts.stateFolder, createHash('sha256').update(path).digest('hex').slice(0, 32));
  }

  #socket(): string {
    this.#sockets += 1;
    return join(this.#parts.runtimeFolder, `base-image-${this.#sockets}.sock`);
  }
}
