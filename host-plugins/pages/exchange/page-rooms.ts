import { hashBytes, pageBytes } from '../page-list.ts';
import type { PageRoom } from '../page-source.ts';
import { limits } from './limits.ts';

/** Rooms that are used again, each for the pages of one batch: see `UsedAgain`. */
export class PageRooms {
  readonly #spare: PageRoom[] = [];

  /** With anything in it. */
  take(): PageRoom {
    return (
      this.#spare.pop() ?? {
        pages: new SharedArrayBuffer(limits.batchPages * pageBytes),
        hashes: new SharedArrayBuffer(limits.batchPages * hashBytes),
      }
    );
  }

  /** One that was taken, and that nobody reads any more. */
  give(room: PageRoom): void {
    this.#spare.push(room);
  }
}
