/**
 * Levels of zstd, from quick to small. On pages of a settled desktop guest, in batches, bytes and time against the first are
 * 0.96 and 1.25, 0.93 and 1.9, 0.89 and 4.4; further up there is nothing more to be had.
 */
const levels = [1, 2, 3, 6] as const;

export type CompressionLevel = (typeof levels)[number];

export const quickestLevel: CompressionLevel = 1;

/** Of this computer's processors must be idle for more work than is done now, and for as much; shares of their time. */
const idleForMore = 0.5;
const idleForThis = 0.15;

/** What the exchange has shown since the last time that it was asked. */
interface Signs {
  /** QEMU had to wait because the link had enough to carry. */
  readonly linkWasFull: boolean;
  /** What nobody used of the time of this computer's processors, 0 to 1; undefined where that is not known. */
  readonly idleShare: number | undefined;
}

/**
 * The level for the next moment. Fewer bytes are worth something only where the link is what takes the time, and processors
 * have nothing else to do: the VM that is on its way runs on them, too. One step at a time, so that its own cost is seen.
 */
export function nextLevel(level: CompressionLevel, { linkWasFull, idleShare = 0 }: Signs): CompressionLevel {
  const at = levels.indexOf(level);
  if (!linkWasFull || idleShare < idleForThis) return levels[at - 1] ?? level;
  return idleShare > idleForMore ? (levels[at + 1] ?? level) : level;
}
