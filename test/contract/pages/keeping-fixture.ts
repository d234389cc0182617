import { createCipheriv, hash } from 'node:crypto';
import { pino } from 'pino';
import type { DiskBudget } from '../../../host-plugins/pages/kept/chunk-packer.ts';
import type { Image } from '../../../host-plugins/pages/kept/image.ts';
import type { ImageFolder } from '../../../host-plugins/pages/kept/image-folder.ts';
import { ImageReader } from '../../../host-plugins/pages/kept/image-reader.ts';
import { ImageWriter } from '../../../host-plugins/pages/kept/image-writer.ts';
import { KeptMemory, type KeptMemoryParts } from '../../../host-plugins/pages/kept/kept-memory.ts';
import { PageListBuilder, pageBytes } from '../../../host-plugins/pages/page-list.ts';

export const key = Buffer.alloc(32, 7);

/** What does not compress, and is told by its number. */
export function randomPage(number: number): Buffer {
  const nonce = Buffer.alloc(16);
  nonce.writeUInt32LE(number);
  return createCipheriv('aes-256-ctr', key, nonce).update(Buffer.alloc(pageBytes));
}

/** Some pages stay from epoch to epoch, others are new in each. */
export function numbersOf(epoch: number, count = 1500): number[] {
  return Array.from({ length: count }, (_, index) => (index % 3 === 0 ? epoch * 100_000 + index : index));
}

export function keepEpoch(folder: ImageFolder, epoch: number, numbers: number[], budget: DiskBudget): Image {
  const builder = new PageListBuilder();
  builder.block('base', numbers.length * pageBytes);
  const pages = numbers.map(randomPage);
  pages.forEach((page, index) => void builder.add(index, hash('sha256', page, 'buffer')));
  const wanted = { list: builder.build(), seal: { kind: 'kept', epoch, peer: 'dock' }, at: epoch } as const;
  return ImageWriter.write(folder, key, wanted, (page) => pages[page], budget).image;
}

/** The epoch of the image that is there, of which every page is found to be the one it was; undefined without one. */
export function wholeEpoch(folder: ImageFolder): number | undefined {
  const image = folder.readImage();
  if (image?.seal.kind !== 'kept') return undefined;
  const { epoch } = image.seal;
  const reader = new ImageReader(folder, image);
  numbersOf(epoch).forEach((number, page) => {
    if (reader.page(page)?.equals(randomPage(number)) !== true)
      throw new Error(`page ${page} of epoch ${epoch} is another one`);
  });
  return epoch;
}

/** Kept memory with a log that can be read. */
export function keptMemory(changes: Partial<KeptMemoryParts> = {}): { kept: KeptMemory; said: string[] } {
  const said: string[] = [];
  const log = pino({}, { write: (line: string) => void said.push(line) });
  const parts: KeptMemoryParts = {
    key,
    settings: { enabled: true, maxMiB: 1024 },
    folders: () => [],
    now: () => 1_700_000_000_000,
    log,
    leaveFreeBytes: 0,
    ...changes,
  };
  return { kept: new KeptMemory(parts), said };
}
