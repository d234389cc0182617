import { DockError } from '../../protocol/dock-error.ts';
import type { BaseImages } from './disk/base-images.ts';
import { digestText } from './kept/image.ts';
import type { KeptMemory, KeptWorkspace } from './kept/kept-memory.ts';
import type { OpenImage } from './kept/open-image.ts';
import type { StoreThread } from './kept/store-thread.ts';
import { hashBytes, listLength, type PageList } from './page-list.ts';
import type { ReceivingSource, SendingSource, SourceFacts } from './page-source.ts';
import type { WarmImages } from './warm/warm-images.ts';
import { beginningOf, warmList } from './warm/warm-list.ts';

/** The ways to have a page without its having travelled. */
const kinds = { kept: 'kept', warm: 'warm', disk: 'disk' } as const;

/** What a device can rebuild of a VM that comes to it, until it has come or does not come. */
export class OfferedPages implements AsyncDisposable {
  readonly facts: readonly SourceFacts[];
  /** Of memory, by their kinds. */
  readonly #memory: ReadonlyMap<string, OpenImage>;
  readonly #images: BaseImages;
  readonly #held = new AsyncDisposableStack();

  constructor(facts: readonly SourceFacts[], memory: ReadonlyMap<string, OpenImage>, images: BaseImages) {
    this.facts = facts;
    this.#images = images;
    this.#memory = memory;
    for (const image of memory.values()) this.#held.use(image);
  }

  /** Those that the other end has chosen, in its order. Throws `protocol` for one that was not offered. */
  async take(chosen: readonly SourceFacts[]): Promise<ReceivingSource[]> {
    return await Promise.all(chosen.map(async (wanted) => await this.#take(wanted)));
  }

  async #take({ kind, digest, pages }: SourceFacts): Promise<ReceivingSource> {
    const same = (each: SourceFacts) => each.kind === kind && each.digest === digest && each.pages === pages;
    const offered = this.facts.find(same);
    if (offered === undefined) {
      throw new DockError('protocol', `pages are to be taken from ${kind} ${digest}, which was not offered`);
    }
    const memory = this.#memory.get(kind);
    if (memory !== undefined) return memory.asSource(offered);
    const blocks = kind === kinds.disk ? await this.#images.open(digest) : undefined;
    // One that is gone meanwhile has no pages: the exchange asks for them.
    if (blocks === undefined)
      return { ...offered, read: async (places) => Array.from(places, () => undefined) };
    this.#held.use(blocks);
    return { ...offered, read: async (places) => await blocks.read(places) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync();
  }
}

/** What this device knows of the pages of one VM that another device has. */
export interface Recalled {
  /** Of its kept memory. */
  readonly kept: { readonly digest: string; readonly list: PageList } | undefined;
  /** Of what was sent ahead to it. */
  readonly warm: PageList | undefined;
}

interface ForgettingWorkspace {
  readonly keptMemory: KeptWorkspace;
  readonly record: { readonly homeDevice: string };
}

/** All that this device knows of pages that need not travel: its own, and those of other devices. */
export class KnownPages implements AsyncDisposable {
  readonly #kept: KeptMemory;
  readonly #images: BaseImages;
  readonly #warm: WarmImages;
  readonly #ending = new AbortController();
  #looking: Promise<void> = Promise.resolve();

  constructor(kept: KeptMemory, images: BaseImages, warm: WarmImages) {
    this.#kept = kept;
    this.#images = images;
    this.#warm = warm;
  }

  /** A workspace was made, whose disk may stand on an image. */
  lookForImages(): void {
    this.#images.lookAgain();
  }

  /** Pages that other devices send ahead. */
  get warm(): WarmImages {
    return this.#warm;
  }

  /** For work on memory beside everything else. Dispose it. */
  thread(): StoreThread {
    return this.#kept.thread();
  }

  /** Notes what was sent ahead to a device. */
  async noteWarm(workspace: KeptWorkspace, peer: string, hashes: Uint8Array): Promise<void> {
    await this.#kept.noteWarm(workspace, peer, warmList(hashes));
  }

  /** What is kept of VMs' memory. */
  get kept(): KeptMemory {
    return this.#kept;
  }

  /**
   * Looks for base images, now and from time to time. First removes what a wdockd that was killed has left of devices
   * that are forgotten.
   */
  begin(workspaces: readonly ForgettingWorkspace[], isKnown: (device: string) => boolean): void {
    this.#looking = this.#prune(workspaces, isKnown).then(() => this.#images.watch(this.#ending.signal));
  }

  async #prune(
    workspaces: readonly ForgettingWorkspace[],
    isKnown: (device: string) => boolean,
  ): Promise<void> {
    for (const { keptMemory } of workspaces) {
      for (const device of await this.#kept.devices(keptMemory)) {
        if (!isKnown(device)) await this.#kept.forgetDevice(keptMemory, device).catch(() => undefined);
      }
    }
    await this.#warm.expire(isKnown).catch(() => undefined); // the next start tries again
  }

  /** Removes what is kept because of a device: of its own workspaces all. */
  async forgetDevice(workspaces: readonly ForgettingWorkspace[], device: string): Promise<void> {
    for (const { keptMemory, record } of workspaces) {
      if (record.homeDevice === device) await this.#kept.forget(keptMemory);
      else await this.#kept.forgetDevice(keptMemory, device);
    }
    await this.#warm.forgetDevice(device);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new DockError('cancelled', 'wdockd is stopping'));
    await this.#looking;
    await this.#warm[Symbol.asyncDispose]();
    await this.#kept[Symbol.asyncDispose]();
  }

  /**
   * At the device to which a VM comes.
   * @param memory from whom it comes, and in which epoch its memory was kept here; absent where no memory may be used
   */
  async offer(
    workspace: KeptWorkspace,
    memory: { readonly peer: string; readonly epoch: number } | undefined,
  ): Promise<OfferedPages> {
    const images = new Map<string, OpenImage>();
    if (memory !== undefined) {
      const kept = await this.#kept.open(workspace, memory.epoch);
      if (kept !== undefined) images.set(kinds.kept, kept);
      const warm = await this.#warm.open(memory.peer, workspace.uuid);
      if (warm !== undefined) images.set(kinds.warm, warm);
    }
    const facts: SourceFacts[] = [];
    for (const [kind, image] of images) facts.push(factsOf(kind, image.facts.digest, image.facts.list));
    for (const { digest, blocks } of await this.#images.offers())
      facts.push({ kind: kinds.disk, digest, pages: blocks });
    return new OfferedPages(facts, images, this.#images);
  }

  /** At the device from which it goes, before the other one has said anything. Takes a thread, and the time of its start. */
  async recall(workspace: KeptWorkspace, peer: string): Promise<Recalled> {
    const [kept, warm] = await Promise.all([
      this.#kept.there(workspace, peer),
      this.#kept.warmThere(workspace, peer),
    ]);
    return { kept, warm };
  }

  /** Those of the offered ones of which this device knows what is in them. */
  async recognise(recalled: Recalled, offered: readonly SourceFacts[]): Promise<SendingSource[]> {
    const known: SendingSource[] = [];
    for (const { kind, digest, pages } of offered) {
      const twice = known.some((each) => each.digest === digest);
      const list = twice ? undefined : await this.#list(recalled, { kind, digest, pages });
      if (list === undefined || listLength(list) !== pages) continue;
      known.push({ kind, digest, pages, hashes: list.hashes.buffer });
    }
    return known;
  }

  async #list({ kept, warm }: Recalled, { kind, digest, pages }: SourceFacts): Promise<PageList | undefined> {
    if (kind === kinds.warm) {
      // It has what had come when the sending ended, which may be less than what was sent.
      if (warm === undefined || warm.hashes.length < pages * hashBytes) return undefined;
      const there = beginningOf(warm, pages);
      return digestText(there) === digest ? there : undefined;
    }
    if (kind === kinds.kept) return kept?.digest === digest ? kept.list : undefined;
    return kind === kinds.disk ? await this.#images.list(digest) : undefined;
  }
}

function factsOf(kind: string, digest: string, list: PageList): SourceFacts {
  return { kind, digest, pages: listLength(list) };
}
