/** What an interface had carried at a moment. */
export interface LinkSample {
  readonly atMs: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/**
 * Reads the line of a device in /proc/PID/net/dev (proc_pid_net(5)).
 * @throws Error where it is not there
 */
export function parseLinkCounters(text: string, device: string): Omit<LinkSample, 'atMs'> {
  const line = text.split('\n').find((one) => one.trim().startsWith(`${device}:`));
  const fields =
    line
      ?.slice(line.indexOf(':') + 1)
      .trim()
      .split(/\s+/)
      .map(Number) ?? [];
  const [receivedBytes, sentBytes] = [fields[0], fields[8]];
  if (receivedBytes === undefined || sentBytes === undefined) throw new Error(`no counters of ${device}`);
  return { receivedBytes, sentBytes };
}

/**
 * Bytes a second that were received while the bulk of all came in: from its first tenth to its last. What is done before
 * and after a move, and the end of one, do not count; 0 where nothing came.
 */
export function bulkRate(samples: readonly LinkSample[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const total = last.receivedBytes - first.receivedBytes;
  const share = (sample: LinkSample) => (sample.receivedBytes - first.receivedBytes) / total;
  const begin = samples.findLast((sample) => share(sample) <= 0.1);
  const end = samples.find((sample) => share(sample) >= 0.9);
  if (begin === undefined || end === undefined || end.atMs <= begin.atMs) return 0;
  return (end.receivedBytes - begin.receivedBytes) / ((end.atMs - begin.atMs) / 1000);
}
