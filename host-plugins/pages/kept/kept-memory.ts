import { access, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { KeptMemoryFacts } from '../../../protocol/control-methods.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { listLength, type PageList } from '../page-list.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { ImageSeal } from './image.ts';
import { OpenImage } from './open-image.ts';
import type { ImagePlace } from './store-jobs.ts';
import { StoreThread } from './store-thread.ts';
import { Writing } from './writing.ts';

/** Of a workspace, what kept memory has to know. */
export interface KeptWorkspace {
  readonly name: string;
  /** Of its machine. */
  readonly uuid: string;
  /** Where its kept memory is. */
  readonly folder: string;
}

/** What is to be written, and when. */
export interface ToKeep<Seal extends ImageSeal = ImageSeal> {
  readonly seal: Seal;
  /** Asked for when it is written: to make it takes a processor for a while. */
  readonly list: () => Promise<PageList>;
  /**
   * It is not begun before this settles, unless somebody waits for it, or it takes a quarter of a minute. A VM that was just let run
   * needs this computer's processors more.
   */
  readonly after?: Promise<unknown>;
}

export interface KeptMemoryParts {
  readonly key: Buffer;
  readonly settings: { readonly enabled: boolean; readonly maxMiB: number };
  /** Folders of kept memory of all workspaces; the limit is for all of them. */
  readonly folders: () => readonly string[];
  readonly now: () => number;
  readonly log: Logger;
  /** What stays free on the file system, bytes. */
  readonly leaveFreeBytes?: number;
}

const defaultLeaveFreeBytes = 2 ** 30;
/** A VM that comes back while its memory is still being written waits so long for it, ms; then it comes without. */
const patienceMs = 5_000;

/**
 * The memory of VMs that have left this device, to make their way back short, and what other devices keep of the VMs that
 * are here. Never more than a help: what cannot be written or read is a line in the log, and a longer way.
 */
export class KeptMemory implements AsyncDisposable {
  readonly #parts: KeptMemoryParts;
  /** By the image's path: what is being written. */
  readonly #writing = new Map<string, Writing>();

  constructor(parts: KeptMemoryParts) {
    this.#parts = parts;
  }

  get isWanted(): boolean {
    return this.#parts.settings.enabled;
  }

  /**
   * Writes the image of a VM that has left, beside everything else; resolves when that has come to its end, however. Takes
   * the memory over, and lets go of it.
   */
  async keep(
    workspace: KeptWorkspace,
    { seal, list, after }: ToKeep<Extract<ImageSeal, { kind: 'kept' }>>,
    memory: GuestMemory,
  ): Promise<void> {
    await using _released = memory;
    if (!this.isWanted) return;
    const place = hereOf(workspace);
    const write = async (thread: StoreThread, pages: PageList): Promise<void> => {
      const { maxMiB } = this.#parts.settings;
      const others = await this.#bytesOfOthers(workspace);
      const { leaveFreeBytes = defaultLeaveFreeBytes } = this.#parts;
      const budget = { maxBytes: maxMiB * 2 ** 20 - others, leaveFreeBytes };
      const at = this.#parts.now();
      const { files } = memory;
      const kept = await thread.do({ job: 'keep', place, list: pages, seal, at, budget, files });
      this.#parts.log.info(
        {
          workspace: workspace.name,
          epoch: seal.epoch,
          digest: kept.digest,
          pages: listLength(pages) - kept.missing,
          missing: kept.missing,
          written: kept.written,
          mib: Math.ceil(kept.bytes / 2 ** 20),
        },
        'the memory of the VM that has left is kept',
      );
    };
    await this.#guarded(workspace, 'its memory is not kept', () =>
      this.#write(place, { list, after, write }),
    );
  }

  /** Notes what another device keeps of a VM that is here; without it that is of no use. */
  async noteThere(workspace: KeptWorkspace, { seal, list, after }: ToKeep): Promise<void> {
    if (!this.isWanted) return;
    const place = thereOf(workspace, seal.peer);
    const write = async (thread: StoreThread, pages: PageList): Promise<void> => {
      const budget = { maxBytes: this.#parts.settings.maxMiB * 2 ** 20, leaveFreeBytes: 0 };
      const at = this.#parts.now();
      const { digest } = await thread.do({ job: 'keep', place, list: pages, seal, at, budget, files: [] });
      const { log } = this.#parts;
      log.info(
        { workspace: workspace.name, digest, pages: listLength(pages) },
        'what stays elsewhere is noted',
      );
    };
    await this.#guarded(workspace, 'what another device keeps of it is not noted', () =>
      this.#write(place, { list, after, write }),
    );
  }

  /** Notes what was sent ahead to another device. */
  async noteWarm(workspace: KeptWorkspace, peer: string, list: PageList): Promise<void> {
    await this.#guarded(workspace, 'what was sent ahead is not noted', async () => {
      await using thread = this.thread();
      const place = warmThereOf(workspace, peer);
      const budget = { maxBytes: this.#parts.settings.maxMiB * 2 ** 20, leaveFreeBytes: 0 };
      const seal = { kind: 'warm', number: 0, peer } as const;
      await thread.do({ job: 'keep', place, list, seal, at: this.#parts.now(), budget, files: [] });
    });
  }

  /** What was sent ahead to that device. */
  async warmThere(workspace: KeptWorkspace, peer: string): Promise<PageList | undefined> {
    await using image = await this.#open(workspace, warmThereOf(workspace, peer));
    return image?.facts.list;
  }

  /** For work on memory beside everything else. Dispose it. */
  thread(): StoreThread {
    return new StoreThread(this.#parts.key, { urgent: false });
  }

  /** The image of a VM that comes back, when there is one that this epoch has left here. Dispose it after the arrival. */
  async open(workspace: KeptWorkspace, epoch: number): Promise<OpenImage | undefined> {
    await this.#finish(hereOf(workspace));
    const image = await this.#open(workspace, hereOf(workspace));
    if (image === undefined) return undefined;
    const { seal } = image.facts;
    if (seal.kind === 'kept' && seal.epoch === epoch) return image;
    this.#parts.log.info({ workspace: workspace.name, seal, epoch }, 'the kept memory is of another time');
    await image[Symbol.asyncDispose]();
    return undefined;
  }

  /** What that device keeps, as far as this one knows. */
  async there(
    workspace: KeptWorkspace,
    peer: string,
  ): Promise<{ readonly digest: string; readonly list: PageList } | undefined> {
    await this.#finish(thereOf(workspace, peer));
    await using image = await this.#open(workspace, thereOf(workspace, peer));
    return image?.facts;
  }

  /** What a user is told of it. */
  async facts({ folder }: KeptWorkspace): Promise<KeptMemoryFacts | undefined> {
    const bytes = await bytesIn(folder);
    if (bytes === 0) return undefined;
    const image = await stat(join(folder, hereName, 'image')).catch(() => undefined);
    return { bytes, ...(image === undefined ? {} : { at: image.mtimeMs }) };
  }

  /** Removes all that is kept of a workspace here. */
  async forget(workspace: KeptWorkspace): Promise<void> {
    for (const [path, writing] of [...this.#writing])
      if (dirname(path) === workspace.folder) await writing.stop();
    await rm(workspace.folder, { recursive: true, force: true });
  }

  /** Removes what has to do with a device: what it keeps, and what is kept here for the way back from it. */
  async forgetDevice(workspace: KeptWorkspace, device: string): Promise<void> {
    for (const place of [thereOf(workspace, device), warmThereOf(workspace, device)]) {
      await this.#writing.get(place.path)?.stop();
      await rm(place.path, { recursive: true, force: true });
    }
    await this.#finish(hereOf(workspace));
    const of = await this.#open(workspace, hereOf(workspace)).then(async (image) => {
      await image?.[Symbol.asyncDispose]();
      return image?.facts.seal.peer;
    });
    if (of === device) await rm(hereOf(workspace).path, { recursive: true, force: true });
  }

  /** Those because of whom something of it is kept here. */
  async devices(workspace: KeptWorkspace): Promise<string[]> {
    const names = await readdir(workspace.folder).catch(() => []);
    const lists = names.flatMap((name) => /^(?:there|warm)-(.*)$/.exec(name)?.[1] ?? []);
    await using image = await this.#open(workspace, hereOf(workspace));
    const peer = image === undefined ? [] : [image.facts.seal.peer];
    return [...lists, ...peer];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const writing of [...this.#writing.values()]) await writing.stop();
  }

  async #write(place: ImagePlace, { list, after, write }: WriteParts): Promise<void> {
    while (this.#writing.has(place.path)) await this.#finish(place);
    const writing = new Writing({ list, after, write, thread: () => this.thread() });
    this.#writing.set(place.path, writing);
    try {
      await writing.over;
    } finally {
      this.#writing.delete(place.path);
    }
  }

  /** What was being written there is written, or was given up. */
  async #finish({ path }: ImagePlace): Promise<void> {
    const writing = this.#writing.get(path);
    if (writing === undefined) return;
    writing.hurry();
    const over = writing.over.catch(() => undefined); // its own caller is told
    await Promise.race([over, delay(patienceMs, undefined, { ref: false })]);
    await writing.stop();
  }

  async #open(workspace: KeptWorkspace, place: ImagePlace): Promise<OpenImage | undefined> {
    try {
      if (!(await isThere(join(place.path, 'image')))) return undefined;
      return await OpenImage.open(this.#parts.key, place);
    } catch (error) {
      this.#parts.log.warn({ workspace: workspace.name, err: error }, 'its kept memory cannot be used');
      return undefined;
    }
  }

  async #guarded({ name }: KeptWorkspace, what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const { kind, message } = DockError.from(error);
      const { log } = this.#parts;
      if (kind === 'does-not-fit' || kind === 'cancelled') log.info({ workspace: name, why: message }, what);
      else log.warn({ workspace: name, err: error }, what);
    }
  }

  async #bytesOfOthers(workspace: KeptWorkspace): Promise<number> {
    let bytes = 0;
    for (const folder of this.#parts.folders())
      if (folder !== workspace.folder) bytes += await bytesIn(folder);
    return bytes;
  }
}

type WriteParts = Pick<ToKeep, 'list'> & {
  readonly after: Promise<unknown> | undefined;
  readonly write: (thread: StoreThread, list: PageList) => Promise<void>;
};

const hereName = 'here';

function hereOf({ folder, uuid }: KeptWorkspace): ImagePlace {
  return { path: join(folder, hereName), machine: `${uuid}/here` };
}

function thereOf({ folder, uuid }: KeptWorkspace, peer: string): ImagePlace {
  return { path: join(folder, `there-${peer}`), machine: `${uuid}/there/${peer}` };
}

function warmThereOf({ folder, uuid }: KeptWorkspace, peer: string): ImagePlace {
  return { path: join(folder, `warm-${peer}`), machine: `${uuid}/warm-there/${peer}` };
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries.filter((each) => each.isFile())) {
    bytes += await stat(join(entry.parentPath, entry.name)).then(
      ({ size }) => size,
      () => 0, // just removed
    );
  }
  return bytes;
}
