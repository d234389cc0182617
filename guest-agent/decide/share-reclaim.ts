/** A control group of the first level, by its name, and its file pages that were not used lately, MiB. */
export interface ColdGroup {
  readonly name: string;
  readonly coldMiB: number;
}

/** What is asked of the kernel at a time, MiB: it cannot be called off in the middle. */
const roundMiB = 32;

/**
 * What each group is asked to give up in one round, MiB: in proportion to what lies cold in it, and never more than that,
 * so that nobody loses what it uses. Empty when nothing is left to ask for.
 */
export function shareReclaim(
  wantedMiB: number,
  groups: readonly ColdGroup[],
): { readonly name: string; readonly mib: number }[] {
  const coldMiB = groups.reduce((sum, group) => sum + Math.max(0, group.coldMiB), 0);
  const round = Math.min(wantedMiB, roundMiB, coldMiB);
  if (round < 1) return [];
  return groups.flatMap(({ name, coldMiB: cold }) => {
    const mib = Math.min(Math.floor(cold), Math.ceil((round * Math.max(0, cold)) / coldMiB));
    return mib < 1 ? [] : [{ name, mib }];
  });
}
