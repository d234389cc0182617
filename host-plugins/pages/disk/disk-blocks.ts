import { DockError } from '../../../protocol/dock-error.ts';
import { listLength, type PageList, pageBytes } from '../page-list.ts';
import type { ImageIdentity } from './image-identity.ts';
import { NbdClient } from './nbd-client.ts';
import { exportName, ServedImage } from './serve-image.ts';

/** Opening the image, ms. */
const openLimitMs = 10_000;
/** Of one read, blocks: neighbours are read together. */
const maxRun = 256;

/** The blocks of a base image, to be read by their places in its list. The image is opened when the first is asked for. */
export class DiskBlocks implements AsyncDisposable {
  readonly #image: ImageIdentity;
  readonly #list: PageList;
  readonly #socket: string;
  #opening: Promise<{ served: ServedImage; client: NbdClient }> | undefined;

  constructor(image: ImageIdentity, list: PageList, socket: string) {
    this.#image = image;
    this.#list = list;
    this.#socket = socket;
  }

  get pages(): number {
    return listLength(this.#list);
  }

  /** Undefined for what cannot be read. Who uses a block compares it with its hash: the image may have changed. */
  async read(places: Uint32Array): Promise<(Uint8Array | undefined)[]> {
    const client = await this.#open().then(
      (opened) => opened.client,
      () => undefined,
    );
    if (client === undefined) return Array.from(places, () => undefined);
    const blocks = Array.from(places, (place) => this.#list.indices[place]);
    const runs = runsOf(blocks).map(async ({ first, count }) => {
      if (first === undefined) return [undefined];
      const content = await client.read(first * pageBytes, count * pageBytes).catch(() => undefined);
      return Array.from({ length: count }, (_, number) =>
        content?.subarray(number * pageBytes, (number + 1) * pageBytes),
      );
    });
    return (await Promise.all(runs)).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    this.#opening = Promise.reject(new DockError('cancelled', 'the image was closed'));
    this.#opening.catch(() => undefined);
    opened?.client[Symbol.dispose]();
    await opened?.served[Symbol.asyncDispose]();
  }

  #open(): Promise<{ served: ServedImage; client: NbdClient }> {
    this.#opening ??= (async () => {
      const signal = AbortSignal.timeout(openLimitMs);
      const served = await ServedImage.start(this.#image, this.#socket, { urgent: true }, signal);
      try {
        return { served, client: await NbdClient.connect(served.socket, exportName, signal) };
      } catch (error) {
        await served[Symbol.asyncDispose]();
        throw error;
      }
    })();
    return this.#opening;
  }
}

/** Blocks that follow each other, as one; places that are none, each by itself. */
function runsOf(blocks: readonly (number | undefined)[]): { first: number | undefined; count: number }[] {
  const runs: { first: number | undefined; count: number }[] = [];
  for (const block of blocks) {
    const last = runs.at(-1);
    const follows = last?.first !== undefined && block === last.first + last.count && last.count < maxRun;
    if (follows && last !== undefined) last.count += 1;
    else runs.push({ first: block, count: 1 });
  }
  return runs;
}
