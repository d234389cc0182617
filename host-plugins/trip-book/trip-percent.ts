import type { StageName } from '../../protocol/progress-event.ts';

/**
 * Where each stage begins on the way from 0 to 100, by what they take of an ordinary trip: the memory's way is by far
 * the longest part, then that the guest grows over there.
 */
const begins: Readonly<Record<StageName, number>> = {
  discover: 0,
  choose: 1,
  plan: 2,
  prepare: 3,
  shrink: 5,
  transfer: 15,
  'hand-over': 80,
  adapt: 84,
  verify: 96,
  settle: 98,
};
const inOrder = Object.values(begins);

/** How far a trip is, 0 to 100, whole. @param fraction of the stage, 0 to 1, where it is known */
export function tripPercent(stage: StageName, fraction = 0): number {
  const begin = begins[stage];
  const end = inOrder[inOrder.indexOf(begin) + 1] ?? 100;
  return Math.floor(begin + (end - begin) * fraction);
}
