import type { GuestState } from '../../protocol/guest-state.ts';
import type { MoveRules } from '../../protocol/peer-methods.ts';
import type { LinkEstimate } from './estimate-link.ts';

export interface TrimFacts {
  readonly rules: Pick<MoveRules, 'trimCache' | 'keepCacheMiB'>;
  readonly memory: Pick<GuestState['memory'], 'cache' | 'pressureSomeAvg10'>;
  readonly link: LinkEstimate;
  /** Pages that the target can rebuild without being sent them: of its kept image, of its copy of the disk. */
  readonly targetHasPages: number;
}

export type TrimChoice =
  | { readonly trim: false; readonly because: string }
  | { readonly trim: true; readonly mib: number; readonly orAll: boolean; readonly because: string };

/** Less than this is not worth disturbing a guest for, MiB. */
const leastMiB = 32;
/** … nor is saving less than this, s. */
const leastSeconds = 1;
/** What of a page of a file is sent after compression (facts of a Debian desktop: 0.31). */
const sentShare = 1 / 3;
const pressureLimit = 10;

/**
 * Whether the guest shall drop page cache before it moves, and how much. What it has not used lately it can read again from its
 * disk; sent, it takes the link's time now. Where the target has pages already, those of files travel as references and
 * cost next to nothing, so they stay.
 */
export function chooseTrim({ rules, memory, link, targetHasPages }: TrimFacts): TrimChoice {
  const stay = (because: string): TrimChoice => ({ trim: false, because });
  const { cache, pressureSomeAvg10: pressure = 0 } = memory;
  if (rules.trimCache === 'never') return stay('the policy says never');
  if (cache === undefined) return stay('the guest does not tell how much it has');
  const spareMiB = cache.activeMiB + cache.inactiveMiB - cache.dirtyMiB - rules.keepCacheMiB;
  if (rules.trimCache === 'always') {
    const mib = Math.floor(spareMiB);
    if (mib < 1) return stay(`it has no more than the ${rules.keepCacheMiB} MiB that it keeps`);
    return { trim: true, mib, orAll: true, because: 'the policy says always' };
  }
  if (targetHasPages > 0) return stay('the target has pages that it is made of, and they need not be sent');
  if (pressure > pressureLimit) return stay('the guest is short of memory and uses what it has');
  const mib = Math.floor(Math.min(spareMiB, cache.inactiveMiB - cache.dirtyMiB));
  const seconds = (Math.max(0, mib) * 1024 * 1024 * sentShare) / link.bytesPerS;
  if (mib < leastMiB) return stay(`only ${Math.max(0, mib)} MiB of it are cold`);
  const saved = `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < leastSeconds) return stay(`sending what is cold takes ${saved} by ${link.from}`);
  const because = `${mib} MiB are cold, and sending them would take about ${saved} by ${link.from}`;
  return { trim: true, mib, orAll: false, because };
}
