import type { HostProfile } from '../../protocol/host-profile.ts';

/** What a link is thought to carry. */
export interface LinkEstimate {
  readonly bytesPerS: number;
  readonly from: 'the last move' | 'the kind of the link';
}

/** About what is left of 802.11n's and gigabit Ethernet's rates for one connection, bytes a second. */
const assumed = { wifi: 8_750_000, ethernet: 110_000_000 } as const;

/**
 * Before a move has begun: what the last one to the same device was carried with, or what the slower end's kind of link
 * usually carries. A device that does not name its links is taken for one on Wi-Fi: to be wrong there costs least.
 */
export function estimateLink(
  own: HostProfile,
  other: HostProfile,
  lastBytesPerS: number | undefined,
  maxBytesPerS = Number.POSITIVE_INFINITY,
): LinkEstimate {
  const limit = (bytesPerS: number): number => Math.min(maxBytesPerS, bytesPerS);
  if (lastBytesPerS !== undefined) return { bytesPerS: limit(lastBytesPerS), from: 'the last move' };
  const wired = [own, other].every(({ links }) => links.some(({ kind }) => kind === 'ethernet'));
  return { bytesPerS: limit(assumed[wired ? 'ethernet' : 'wifi']), from: 'the kind of the link' };
}
