import type { PageList } from '../page-list.ts';
import type { PageRoom } from '../page-source.ts';
import type { LackingPages } from '../warm/scan-memory.ts';
import type { DiskBudget } from './chunk-packer.ts';
import type { MemoryFile } from './guest-memory.ts';
import type { ImageSeal } from './image.ts';

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
  /** Pages of these places, into these slots of the room, and what they hash to. */
  | {
      readonly job: 'read-into';
      readonly indices: Uint32Array;
      readonly room: PageRoom;
      readonly slots: Uint16Array;
    }
  /** Pages that come, behind so many that are there: `append`s follow, and an `append-end`. */
  | {
      readonly job: 'append-begin';
      readonly place: ImagePlace;
      readonly known: number;
      readonly budget: DiskBudget;
    }
  | { readonly job: 'append'; readonly packed: Uint8Array }
  | { readonly job: 'append-end'; readonly seal: ImageSeal; readonly at: number }
  /** What of a machine's memory has none of these hashes. */
  | {
      readonly job: 'scan';
      readonly files: readonly MemoryFile[];
      readonly hashes: readonly Uint8Array[];
      readonly maxPages: number;
    }
  | {
      readonly job: 'pack';
      readonly files: readonly MemoryFile[];
      readonly pages: Pick<LackingPages, 'files' | 'indices'>;
    };

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

export type StoreResult<J extends StoreJob['job']> = {
  readonly keep: ImageFacts & { readonly written: number };
  /** Undefined where there is none. */
  readonly open: ImageFacts | undefined;
  /** 1 for each that there is, 0 else. */
  readonly 'read-into': Uint8Array;
  /** Whether it goes on there. */
  readonly 'append-begin': boolean;
  /** Pages so far. */
  readonly append: number;
  readonly 'append-end': ImageFacts;
  readonly scan: LackingPages;
  readonly pack: { readonly packed: Uint8Array; readonly hashes: Uint8Array };
}[J];
