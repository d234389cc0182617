import { DockError } from '../../protocol/dock-error.ts';
import type { BaseImages } from './disk/base-images.ts';
import type { KeptMemory, KeptWorkspace } from './kept/kept-memory.ts';
import type { OpenImage } from './kept/open-image.ts';
import { listLength, type PageList } from './page-list.ts';
import type { ReceivingSource, SendingSource, SourceFacts } from './page-source.ts';

/** The ways to have a page without its having travelled. */
const kinds = { kept: 'kept', disk: 'disk' } as const;

/** What a device can rebuild of a VM that comes to it, until it has come or does not come. */
export class OfferedPages implements AsyncDisposable {
  readonly facts: readonly SourceFacts[];
  readonly #kept: OpenImage | undefined;
  readonly #images: BaseImages;
  readonly #held = new AsyncDisposableStack();

  constructor(facts: readonly SourceFacts[], kept: OpenImage | undefined, images: BaseImages) {
    this.facts = facts;
    this.#images = images;
    this.#kept = kept === undefined ? undefined : this.#held.use(kept);
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
    const image = kind === kinds.kept ? this.#kept : await this.#images.open(digest);
    // One that is gone meanwhile has no pages: the exchange asks for them.
    if (image === undefined)
      return { ...offered, read: async (places) => Array.from(places, () => undefined) };
    if (kind !== kinds.kept) this.#held.use(image);
    return { ...offered, read: async (places) => await image.read(places) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync();
  }
}

interface ForgettingWorkspace {
  readonly keptMemory: KeptWorkspace;
  readonly record: { readonly homeDevice: string };
}

/** All that this device knows of pages that need not travel: its own, and those of other devices. */
export class KnownPages implements AsyncDisposable {
  readonly #kept: KeptMemory;
  readonly #images: BaseImages;
  readonly #ending = new AbortController();
  #looking: Promise<void> = Promise.resolve();

  constructor(kept: KeptMemory, images: BaseImages) {
    this.#kept = kept;
    this.#images = images;
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
  }

  /** Removes what is kept because of a device: of its own workspaces all. */
  async forgetDevice(workspaces: readonly ForgettingWorkspace[], device: string): Promise<void> {
    for (const { keptMemory, record } of workspaces) {
      if (record.homeDevice === device) await this.#kept.forget(keptMemory);
      else await this.#kept.forgetDevice(keptMemory, device);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new DockError('cancelled', 'wdockd is stopping'));
    await this.#looking;
    await this.#kept[Symbol.asyncDispose]();
  }

  /**
   * At the device to which a VM comes.
   * @param epoch in which its memory was kept here, where that may be used
   */
  async offer(workspace: KeptWorkspace, epoch: number | undefined): Promise<OfferedPages> {
    const kept = epoch === undefined ? undefined : await this.#kept.open(workspace, epoch);
    const facts: SourceFacts[] = [];
    if (kept !== undefined) facts.push(factsOf(kinds.kept, kept.facts.digest, kept.facts.list));
    for (const { digest, blocks } of await this.#images.offers())
      facts.push({ kind: kinds.disk, digest, pages: blocks });
    return new OfferedPages(facts, kept, this.#images);
  }

  /** At the device from which it goes: those of the offered ones of which it knows what is in them. */
  async recognise(
    workspace: KeptWorkspace,
    peer: string,
    offered: readonly SourceFacts[],
  ): Promise<SendingSource[]> {
    const known: SendingSource[] = [];
    for (const { kind, digest, pages } of offered) {
      const twice = known.some((each) => each.digest === digest);
      const list = twice ? undefined : await this.#list(workspace, peer, kind, digest);
      if (list === undefined || listLength(list) !== pages) continue;
      known.push({ kind, digest, pages, hashes: list.hashes.buffer });
    }
    return known;
  }

  async #list(
    workspace: KeptWorkspace,
    peer: string,
    kind: string,
    digest: string,
  ): Promise<PageList | undefined> {
    if (kind === kinds.kept) return await this.#kept.there(workspace, peer, digest);
    return kind === kinds.disk ? await this.#images.list(digest) : undefined;
  }
}

function factsOf(kind: string, digest: string, list: PageList): SourceFacts {
  return { kind, digest, pages: listLength(list) };
}
