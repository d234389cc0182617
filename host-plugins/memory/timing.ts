import type { FollowTiming } from '../system/clock/follow-progress.ts';

export interface MemoryTiming {
  readonly shrink: FollowTiming;
  readonly grow: FollowTiming;
  readonly balloon: FollowTiming;
  /** For one answer of the agent: observing and dropping caches take seconds on a small, busy guest. */
  readonly agentMs: number;
  /** Between two looks at the guest while its memory is being taken away. */
  readonly guardMs: number;
}

/**
 * 2 GiB were seen to leave in about 10 s and to come in 0.4 s; a guest that swaps needs longer, so shrinking
 * has no limit as long as it goes on.
 */
export const defaultMemoryTiming: MemoryTiming = {
  shrink: { pollMs: 100, stallMs: 20_000 },
  grow: { pollMs: 50, stallMs: 10_000 },
  balloon: { pollMs: 100, stallMs: 10_000 },
  agentMs: 15_000,
  guardMs: 2_000,
};
