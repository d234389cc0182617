import type { PageList } from '../page-list.ts';
import type { MemoryFile } from './guest-memory.ts';
import type { ImageSeal } from './image.ts';
import type { DiskBudget } from './image-writer.ts';

/** Where an image is, and of which machine. */
export interface ImagePlace {
  readonly path: string;
  /** UUID of the machine, with what the image is of it. */
  readonly machine: string;
}

/** What the worker is asked to do. */
export type StoreJob =
  | {
      readonly job: 'keep';
      readonly place: ImagePlace;
      readonly list: PageList;
      readonly seal: ImageSeal;
      readonly at: number;
      readonly budget: DiskBudget;
      /** None: only the list is kept. */
      readonly files: readonly MemoryFile[];
    }
  | { readonly job: 'open'; readonly place: ImagePlace }
  | { readonly job: 'read'; readonly indices: Uint32Array };

/** What there is of an image. */
export interface ImageFacts {
  readonly seal: ImageSeal;
  readonly at: number;
  readonly digest: string;
  readonly list: PageList;
  /** Pages that are listed, and not in it. */
  readonly missing: number;
  /** Of its chunks on the disk. */
  readonly bytes: number;
}

/** Pages one after the other; where `there` is 0 the page is not, and nothing is meant by its bytes. */
export interface ReadPages {
  readonly pages: Uint8Array<ArrayBuffer>;
  readonly there: Uint8Array;
}

export type StoreResult<J extends StoreJob['job']> = {
  readonly keep: ImageFacts & { readonly written: number };
  /** Undefined where there is none. */
  readonly open: ImageFacts | undefined;
  readonly read: ReadPages;
}[J];
