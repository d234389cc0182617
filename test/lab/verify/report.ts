import type { LoadState } from '../loads/load-names.ts';
import type { BackgroundState } from './background-service.ts';
import type { DiskCounters } from './disk-ring.ts';
import type { MemoryCounters } from './memory-arena.ts';

/** Where the load listens in the guest. */
export const verifyPort = 7077;

/** One line of JSON on the wire, guest to host. `sequence` starts at 0 on each connection and has no holes. */
export interface VerifyReport {
  sequence: number;
  /** Tells one run of the load from another: it changes only when the guest was restarted. */
  run: number;
  uptimeMs: number;
  memoryMiB: number;
  memory: MemoryCounters;
  disk: DiskCounters;
  /** What `hold` keeps in use besides, MiB. */
  heldMiB: number;
  /** The service that sleeps on the MID, as it is right now; not there where it does not run. */
  background?: BackgroundState;
  /** What `load` has the guest do besides; not there where nothing was asked for. */
  load?: LoadState;
  /** Only in the answer to `verdict`, after everything was checked once more, the disk past the page cache. */
  verdict?: 'intact' | 'damaged';
}
