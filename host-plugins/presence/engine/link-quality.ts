import type { Observation } from '../observation.ts';

type Link = Omit<Extract<Observation, { kind: 'link' }>, 'kind' | 'device'>;

/** Round trips that cost nothing, and those with which nobody wants to work, ms. */
const bestRttMs = 10;
const worstRttMs = 200;
/** A share of lost packets at which TCP has all but stopped. */
const worstLossShare = 0.25;

export interface LinkQuality {
  /** 0 to 100. */
  readonly percent: number;
  /** What decided: `signal -79 dBm`. */
  readonly because: string;
}

/**
 * One measurement as one number: that of its weakest part, for neither a strong signal nor a short round trip mends
 * packets that are lost. Signal as Windows and NetworkManager count it: 100 at -50 dBm, 0 at -100 dBm.
 */
export function linkQuality({ rttMs, lossShare, signalDbm }: Link): LinkQuality {
  const parts: LinkQuality[] = [];
  const add = (percent: number, because: string) =>
    parts.push({ percent: Math.round(Math.min(100, Math.max(0, percent))), because });
  if (signalDbm !== undefined) add(2 * (signalDbm + 100), `signal ${Math.round(signalDbm)} dBm`);
  if (rttMs !== undefined) {
    const beyondBest = Math.log(Math.max(rttMs, bestRttMs) / bestRttMs);
    add(100 * (1 - beyondBest / Math.log(worstRttMs / bestRttMs)), `round trip ${Math.round(rttMs)} ms`);
  }
  // said only where it decides: a link that loses nothing is told by its other parts
  if (lossShare > 0 || parts.length === 0) {
    add(100 * (1 - lossShare / worstLossShare), `${Math.round(100 * lossShare)} % lost`);
  }
  return parts.reduce((worst, part) => (part.percent < worst.percent ? part : worst));
}
