import type { Place } from './traveller.ts';

/** Shares of the memory that has been looked at, and the moment in which the VM stands still. */
export const cutMoments = ['10 %', '50 %', '90 %', 'switch-over'] as const;
export type CutMoment = (typeof cutMoments)[number];

/** One trip and the cuts in it. */
export interface CutTrip {
  readonly to: Place;
  readonly moment: CutMoment | 'never' | 'one of two';
  readonly cuts: number;
  /** The longest cut, ms. */
  readonly cutMs: number;
  /** From the asking until all is done, ms. */
  readonly totalMs: number;
  readonly downtimeMs: number | null;
  readonly wireBytes: number;
  readonly resentBytes: number;
  /** The longest that the guest has waited for one write to its disk, of all trips so far, ms. */
  readonly longestWriteMs: number;
}

/** What a session keeps to send again (docs/tunnel.md), and so the most that one cut costs, bytes. */
const keptBytes = 8 * 1024 ** 2;
/** After the link is back: until it is dialled, the session goes on, and the guest has had its turn, ms. */
const soonMs = 10_000;

/** What a trip did not keep to, in words; empty where it kept to all. */
export function judgeCut({ to, moment, cuts, cutMs, resentBytes, longestWriteMs }: CutTrip): string[] {
  const trip = `to the ${to}, ${moment}`;
  const failures: string[] = [];
  // A link that was lost just before the trip may be given up in it.
  const lost = moment === 'one of two' ? cuts + 1 : cuts;
  if (resentBytes > lost * keptBytes)
    failures.push(`${trip}: ${resentBytes} bytes were sent once more for ${cuts} cuts`);
  if (longestWriteMs > cutMs + soonMs)
    failures.push(`${trip}: a write of the guest to its disk took ${longestWriteMs} ms, the cut ${cutMs} ms`);
  return failures;
}
