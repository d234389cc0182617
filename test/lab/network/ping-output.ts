/** Reads a line of `ping -D`: when the answer came, in milliseconds since 1970; undefined for any other line. */
export function parsePingReply(line: string): number | undefined {
  const match = /^\[(\d+\.\d+)\] \d+ bytes from .* icmp_seq=\d+ .*time=/.exec(line);
  return match?.[1] === undefined ? undefined : Number(match[1]) * 1000;
}

/**
 * The longest time without an answer between two marks, both included: silence that has not ended at `toMs` counts
 * up to there.
 * @param repliesMs in the order they came
 */
export function longestSilenceMs(repliesMs: readonly number[], fromMs: number, toMs: number): number {
  let longest = 0;
  let last = fromMs;
  for (const reply of repliesMs) {
    if (reply < fromMs || reply > toMs) continue;
    longest = Math.max(longest, reply - last);
    last = reply;
  }
  return Math.max(longest, toMs - last);
}
