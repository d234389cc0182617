import { pageDescriptorShare } from './floor.ts';

/** Linux onlines memory by blocks of 128 MiB on x86 machines below 64 GiB; less makes no block usable. */
const leastStepMiB = 128;

/** Of what is available, how much one step may take for descriptors of the new memory. */
const affordableShare = 0.25;

/** Without an agent nobody knows what is available: assume as good as nothing. */
const unknownAvailableMiB = 16;

/**
 * How much to plug next. New memory costs the guest 1/64 of its size before it gives anything, so a guest that
 * is nearly full would be killed by a large gift (kata-containers#4847); each step makes room for the next.
 */
export function nextPluggedMiB(
  pluggedMiB: number,
  goalMiB: number,
  availableMiB: number | undefined,
): number {
  const affordableMiB = ((availableMiB ?? unknownAvailableMiB) * affordableShare) / pageDescriptorShare;
  const stepMiB = Math.max(leastStepMiB, Math.floor(affordableMiB / leastStepMiB) * leastStepMiB);
  return Math.min(goalMiB, pluggedMiB + stepMiB);
}
