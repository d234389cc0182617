import type { Allocation, DisplayAllocation } from '../../protocol/allocation.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { Shortfall } from '../../protocol/outcome.ts';

/** Compositors offer scales in quarters, bent so that the logical size is whole: half a quarter is "the same". */
const scaleTolerance = 0.125;

/** Compares with what the guest's compositor says it shows, not with what the monitor offers. */
export function verifyDisplay(to: Allocation, after: GuestState): Shortfall[] {
  const wished = to.display;
  if (wished === undefined) return [];
  const shown = after.display;
  const reason = displayNotes(after);
  if (shown === undefined) {
    return [shortfall(wished, 'unknown', reason ?? 'no compositor answers in the guest')];
  }
  const sameMode = shown.widthPx === wished.widthPx && shown.heightPx === wished.heightPx;
  const sameScale = Math.abs(shown.scale - wished.scale) <= scaleTolerance;
  if (sameMode && sameScale) return [];
  const fallback = sameMode
    ? "the guest's compositor offers no nearer scale for this mode"
    : "the guest's compositor did not take the mode";
  return [shortfall(wished, describe(shown), reason ?? fallback)];
}

function displayNotes(after: GuestState): string | undefined {
  const notes = after.notes.filter((note) => /display|compositor|monitor|session|scale/i.test(note));
  return notes.length === 0 ? undefined : notes.join('; ');
}

function shortfall(wished: DisplayAllocation, actual: string, reason: string): Shortfall {
  return { resource: 'display', requested: describe(wished), actual, reason };
}

export function describe(display: { widthPx: number; heightPx: number; scale: number }): string {
  return `${display.widthPx}x${display.heightPx} at scale ${Number(display.scale.toFixed(2))}`;
}
