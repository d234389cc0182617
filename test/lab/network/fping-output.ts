/** Reads a line of `fping -l -D`: when the answer came, in milliseconds since 1970; undefined for any other line. */
export function parseFpingReply(line: string): number | undefined {
  const match = /^\[(\d+\.\d+)\] \S+ : \[\d+\], \d+ bytes, /.exec(line);
  return match?.[1] === undefined ? undefined : Number(match[1]) * 1000;
}

/** A time without a sign of life. */
export interface Gap {
  readonly ms: number;
  /** When it began, by the clock of what it was measured with. */
  readonly fromMs: number;
}

/**
 * The longest time without an answer between two marks, both included: silence that has not ended at `toMs` counts
 * up to there.
 * @param repliesMs in the order they came
 */
export function longestGap(repliesMs: readonly number[], fromMs: number, toMs: number): Gap {
  let longest: Gap = { ms: 0, fromMs };
  let last = fromMs;
  const end = (atMs: number) => {
    if (atMs - last > longest.ms) longest = { ms: atMs - last, fromMs: last };
    last = atMs;
  };
  for (const reply of repliesMs) if (reply >= fromMs && reply <= toMs) end(reply);
  end(toMs);
  return longest;
}
