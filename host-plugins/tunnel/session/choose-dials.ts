/** Waits between attempts at one address while nothing connects the two, ms; the last one repeats. */
const urgentWaitsMs = [0, 250, 500, 1_000, 1_500] as const;
/** … while another link is there, and this one would only add to it. */
const calmWaitsMs = [0, 2_000, 5_000, 15_000, 30_000] as const;
/** An address that leads over the same two interfaces as a link that is there is left alone for so long, ms. */
export const sameWayMs = 60_000;
/** The end that was dialled leaves it to the other one for so long, ms: two links over one way bring nothing. */
const secondWaitsMs = 1_500;
/** Waits are longer by up to this share, so that two ends, or many devices, do not go on in step. */
const jitter = 0.25;

/** What is known of one address. */
export interface DialRecord {
  readonly failures: number;
  readonly triedAt: number;
  /** Not before this, because it leads where a link is already. */
  readonly notBefore: number;
  readonly dialling: boolean;
}

export interface DialSituation {
  readonly side: 'first' | 'second';
  readonly now: number;
  /** Since when there has been no link; undefined: there is one. */
  readonly linklessSince: number | undefined;
  readonly startedAt: number;
  /** The addresses at which a link is, without ports. */
  readonly connected: ReadonlySet<string>;
}

/** When the address may be dialled next; undefined: not at all as things are. `chance` is between 0 and 1. */
export function chooseDialTime(
  host: string,
  record: DialRecord | undefined,
  situation: DialSituation,
  chance: number,
): number | undefined {
  const { side, linklessSince, connected, startedAt } = situation;
  if (record?.dialling === true || connected.has(host)) return undefined;
  const base = linklessSince ?? startedAt;
  const first = side === 'second' ? base + secondWaitsMs : base;
  if (record === undefined) return first;
  const waits = linklessSince === undefined ? calmWaitsMs : urgentWaitsMs;
  const wait = waits[Math.min(record.failures, waits.length - 1)] ?? 0;
  const again = record.triedAt + wait * (1 + jitter * chance);
  return Math.max(first, again, linklessSince === undefined ? record.notBefore : 0);
}
