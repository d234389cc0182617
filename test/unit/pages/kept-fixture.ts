import { hash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Image, ImageSeal } from '../../../host-plugins/pages/kept/image.ts';
import { ImageFolder } from '../../../host-plugins/pages/kept/image-folder.ts';
import { ImageReader } from '../../../host-plugins/pages/kept/image-reader.ts';
import { ImageWriter } from '../../../host-plugins/pages/kept/image-writer.ts';
import { type PageList, PageListBuilder, pageBytes } from '../../../host-plugins/pages/page-list.ts';

export const machine = 'a machine';
export const key = randomBytes(32);
export const plenty = { maxBytes: 2 ** 40, leaveFreeBytes: 0 };

export class StoreFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'kept-'));
  readonly folder = new ImageFolder(join(this.path, 'image'), key, machine);

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A page that is told by a number; compresses as memory does. */
export function pageOf(number: number): Buffer {
  const page = Buffer.alloc(pageBytes, `page ${number} `);
  page.writeUInt32LE(number, 64);
  return page;
}

export const seal = (epoch: number): ImageSeal => ({ kind: 'kept', epoch, peer: 'dock' });

/** A block whose pages are the ones of these numbers; 0 is a page of zeros, which is in no list. */
export function listOf(numbers: readonly number[]): PageList {
  const builder = new PageListBuilder();
  builder.block('base', numbers.length * pageBytes);
  numbers.forEach((number, index) => {
    if (number !== 0) builder.add(index, hash('sha256', pageOf(number), 'buffer'));
  });
  return builder.build();
}

/** Keeps it; `lost` numbers are not in memory any more when they are asked for. */
export function keep(
  { folder }: StoreFolder,
  numbers: readonly number[],
  { epoch = 1, lost = [] as readonly number[], budget = plenty } = {},
): { image: Image; written: number } {
  const list = listOf(numbers);
  const read = (page: number) => {
    const number = numbers[list.indices[page] ?? 0] ?? 0;
    return lost.includes(number) ? undefined : pageOf(number);
  };
  return ImageWriter.write(folder, key, { list, seal: seal(epoch), at: 1 }, read, budget);
}

export function openStore(folder: ImageFolder): ImageReader {
  const image = folder.readImage();
  if (image === undefined) throw new Error('there is no image');
  return new ImageReader(folder, image);
}
