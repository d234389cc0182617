import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { DockError } from '../../../protocol/dock-error.ts';
import { OpenImage } from '../kept/open-image.ts';
import type { ImagePlace } from '../kept/store-jobs.ts';
import { StoreThread } from '../kept/store-thread.ts';
import {
  decodeJson,
  encodeJson,
  readFrames,
  type WarmAnswer,
  WarmHeader,
  writeFrame,
} from './warm-frames.ts';

export interface WarmImagesParts {
  readonly key: Buffer;
  readonly folder: string;
  readonly settings: { readonly accept: boolean; readonly maxMiB: number; readonly keepDays: number };
  readonly now: () => number;
  readonly log: Logger;
  /** What stays free on the file system, bytes. */
  readonly leaveFreeBytes?: number;
}

const defaultLeaveFreeBytes = 2 ** 30;
/** A VM that comes while pages of it still come ahead waits so long for their end, ms; then it comes without. */
const patienceMs = 5_000;
const dayMs = 24 * 60 * 60_000;

/**
 * Pages that other devices have sent ahead, of VMs that may come here. An image for each, sealed as kept memory is; it
 * goes when the VM has come, when the device is forgotten, and after some days.
 */
export class WarmImages implements AsyncDisposable {
  readonly #parts: WarmImagesParts;
  readonly #coming = new Map<string, { readonly thread: StoreThread; readonly over: Promise<void> }>();

  constructor(parts: WarmImagesParts) {
    this.#parts = parts;
  }

  get isWanted(): boolean {
    return this.#parts.settings.accept;
  }

  get maxMiB(): number {
    return this.#parts.settings.maxMiB;
  }

  /** Undefined where there is none that can be used. Dispose it after use. */
  async open(peer: string, uuid: string): Promise<OpenImage | undefined> {
    const coming = this.#coming.get(keyOf(peer, uuid));
    if (coming !== undefined) {
      await Promise.race([coming.over, delay(patienceMs, undefined, { ref: false })]);
      await coming.thread[Symbol.asyncDispose]();
      await coming.over;
    }
    try {
      const place = this.#place(peer, uuid);
      const there = await stat(join(place.path, 'image')).catch(() => undefined);
      return there === undefined ? undefined : await OpenImage.open(this.#parts.key, place);
    } catch (error) {
      this.#parts.log.warn({ peer, err: error }, 'pages that were sent ahead cannot be used');
      return undefined;
    }
  }

  /**
   * Takes pages from a device until it has sent all or is gone; what has come is kept in both cases. Throws where it
   * cannot be kept, or is not what pages look like.
   */
  async receive(peer: string, stream: Duplex): Promise<void> {
    const frames = readFrames(stream);
    const first = await frames.next();
    const { uuid, known } = decodeJson(WarmHeader, first.done === true ? undefined : first.value);
    const key = keyOf(peer, uuid);
    if (!this.isWanted) throw new DockError('peer-refused', 'this device takes no pages ahead');
    if (this.#coming.has(key)) throw new DockError('conflict', 'pages of this VM are coming already');
    const thread = new StoreThread(this.#parts.key, { urgent: false });
    const taking = this.#take(thread, peer, { uuid, known }, frames, stream);
    const over = taking.then(
      () => undefined,
      () => undefined,
    );
    this.#coming.set(key, { thread, over });
    try {
      await taking;
    } finally {
      this.#coming.delete(key);
      await thread[Symbol.asyncDispose]();
    }
  }

  /** The VM has come, or is not to come from there any more. */
  async drop(peer: string, uuid: string): Promise<void> {
    await rm(this.#place(peer, uuid).path, { recursive: true, force: true });
  }

  async forgetDevice(peer: string): Promise<void> {
    for (const [key, { thread }] of this.#coming)
      if (key.startsWith(`${peer}/`)) await thread[Symbol.asyncDispose]();
    await rm(join(this.#parts.folder, peer), { recursive: true, force: true });
  }

  /** Removes what is too old, and what is of devices that are not known. */
  async expire(isKnown: (device: string) => boolean): Promise<void> {
    const { folder, settings, now } = this.#parts;
    for (const peer of await readdir(folder).catch(() => [])) {
      if (!isKnown(peer)) await this.forgetDevice(peer);
      for (const uuid of await readdir(join(folder, peer)).catch(() => [])) {
        const image = await stat(join(folder, peer, uuid, 'image')).catch(() => undefined);
        const old = image === undefined || now() - image.mtimeMs > settings.keepDays * dayMs;
        if (old && !this.#coming.has(keyOf(peer, uuid))) await this.drop(peer, uuid);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { thread, over } of [...this.#coming.values()]) {
      await thread[Symbol.asyncDispose]();
      await over;
    }
  }

  async #take(
    thread: StoreThread,
    peer: string,
    { uuid, known }: Pick<WarmHeader, 'uuid' | 'known'>,
    frames: AsyncGenerator<Buffer>,
    stream: Duplex,
  ): Promise<void> {
    const { settings, leaveFreeBytes = defaultLeaveFreeBytes, now, log } = this.#parts;
    const place = this.#place(peer, uuid);
    const budget = { maxBytes: settings.maxMiB * 2 ** 20, leaveFreeBytes };
    if (!(await thread.do({ job: 'append-begin', place, known, budget })))
      throw new DockError('conflict', 'the pages that were sent ahead before are not here any more');
    let broke: DockError | undefined;
    try {
      for await (const frame of frames) await thread.do({ job: 'append', packed: frame });
    } catch (error) {
      broke = DockError.from(error, 'peer-gone'); // what has come is of use
    }
    const seal = { kind: 'warm', number: known, peer } as const;
    const { list } = await thread.do({ job: 'append-end', seal, at: now() });
    const pages = list.indices.length;
    log.info({ peer, uuid, pages, whole: broke === undefined }, 'pages were sent ahead');
    if (broke !== undefined) throw broke;
    await writeFrame(stream, encodeJson({ pages } satisfies WarmAnswer));
    stream.end();
  }

  #place(peer: string, uuid: string): ImagePlace {
    return { path: join(this.#parts.folder, peer, uuid), machine: `${uuid}/warm/${peer}` };
  }
}

const keyOf = (peer: string, uuid: string): string => `${peer}/${uuid}`;
