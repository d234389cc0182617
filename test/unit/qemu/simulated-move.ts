import { Convergence, type DowntimeLimits, type Steering } from '../../../host-plugins/qemu/convergence.ts';

/** A radio that carries less for a while. */
export interface Dip {
  readonly fromMs: number;
  readonly forMs: number;
  /** Of what it carries otherwise. */
  readonly share: number;
}

export interface SimulatedMove {
  readonly memoryBytes: number;
  readonly linkBytesPerS: number;
  readonly dips: readonly Dip[];
  /** What the guest writes, and how large the part of its memory is that it writes to. */
  readonly writesBytesPerS: number;
  readonly writesToBytes: number;
  /** What QEMU writes into at once, whatever the link does. */
  readonly bufferBytes?: number;
  /**
   * Bytes of the stream for a byte on the wire, where pages are exchanged: in the first pass, and later. What the link
   * carries is measured then.
   */
  readonly expansion?: readonly [first: number, later: number];
  /** What the last move was carried with. */
  readonly assumedBytesPerS?: number;
}

export interface Ended {
  readonly atMs: number;
  /** Nothing but the link is in it: QEMU's own state and the hand-over come on top. */
  readonly standstillMs: number;
  readonly limitMs: number;
  readonly throttlePercent: number;
  /** How long the link has been carrying less than half by then, ms; 0 where it has not. */
  readonly dippedForMs: number;
  readonly steerings: readonly Steering[];
}

const stepMs = 20;
const lookMs = 500;
const giveUpMs = 60 * 60_000;

/** QEMU's precopy as far as it matters here (migration.c, ram.c), steered or, without limits, left to itself. */
export function simulateMove(move: SimulatedMove, limits: DowntimeLimits | undefined): Ended | undefined {
  const steering = limits === undefined ? undefined : new Convergence(limits, move.assumedBytesPerS);
  const steerings: Steering[] = [];
  const set = { limitMs: 300, bandwidth: 0, throttle: 0 };
  const apply = (change: Steering): void => {
    set.limitMs = change.downtimeLimitMs ?? set.limitMs;
    set.bandwidth = change.switchoverBytesPerS ?? set.bandwidth;
    set.throttle = change.throttlePercent ?? set.throttle;
    if (Object.keys(change).length > 0) steerings.push(change);
  };
  if (steering !== undefined) apply(steering.first);

  const [firstExpansion, laterExpansion] = move.expansion ?? [1, 1];
  let [remaining, written, streamBytes, wireBytes, buffered, pass] = [move.memoryBytes, 0, 0, 0, 0, 1];
  let [throttled, highPeriods, periodWritten, periodStream, dirtyRate, syncedMs] = [0, 0, 0, 0, 0, 0];
  let [ownBandwidth, ownSince, ownStream] = [0, 0, 0];
  let dippedSince: number | undefined;
  /** Of the exchange: the best of the last ten tenths of a second in which something was on its way. */
  const samples: number[] = [];
  let [sampleMs, sampleBytes, waits] = [0, 0, 0];

  /** What the guest has written since the last one is found, and joins what is left. */
  const sync = (atMs: number): void => {
    remaining = Math.min(move.memoryBytes, remaining + written);
    periodWritten += written;
    written = 0;
    if (atMs - syncedMs < 1_000) return;
    dirtyRate = (periodWritten * 1_000) / (atMs - syncedMs);
    const threshold = set.throttle === 0 ? 1 : 0.1;
    if (periodWritten > threshold * (streamBytes - periodStream)) {
      highPeriods++;
      if (highPeriods >= 2) {
        highPeriods = 0;
        throttled = set.throttle;
      }
    }
    [periodWritten, periodStream, syncedMs] = [0, streamBytes, atMs];
  };

  for (let atMs = 0; atMs < giveUpMs; atMs += stepMs) {
    const dip = move.dips.find(({ fromMs, forMs }) => atMs >= fromMs && atMs < fromMs + forMs);
    const carries = move.linkBytesPerS * (dip?.share ?? 1);
    dippedSince = dip !== undefined && dip.share < 0.5 ? (dippedSince ?? atMs) : undefined;
    const drained = Math.min(buffered, (carries * stepMs) / 1_000);
    buffered -= drained;
    wireBytes += drained;
    if (drained > 0) {
      sampleMs += stepMs;
      sampleBytes += drained;
      if (sampleMs >= 100) {
        samples.push((sampleBytes * 1_000) / sampleMs);
        if (samples.length > 10) samples.shift();
        [sampleMs, sampleBytes] = [0, 0];
      }
    } else [sampleMs, sampleBytes] = [0, 0];
    written = Math.min(
      move.writesToBytes,
      written + (move.writesBytesPerS * (1 - throttled / 100) * stepMs) / 1_000,
    );
    const expansion = pass === 1 ? firstExpansion : laterExpansion;
    const room = Math.max(0, (move.bufferBytes ?? 0) + (carries * stepMs) / 1_000 - buffered);
    const sent = Math.min(remaining, room * expansion);
    if (remaining > sent) waits++;
    remaining -= sent;
    streamBytes += sent;
    buffered += sent / expansion;
    if (atMs - ownSince >= 100) {
      ownBandwidth = ((streamBytes - ownStream) * 1_000) / (atMs - ownSince);
      [ownSince, ownStream] = [atMs, streamBytes];
    }
    const threshold = ((set.bandwidth || ownBandwidth) * set.limitMs) / 1_000;
    if (remaining <= threshold) {
      sync(atMs);
      if (remaining === 0 || remaining < threshold) {
        const standstillMs = ((buffered + remaining / laterExpansion) * 1_000) / carries;
        const dippedForMs = dippedSince === undefined ? 0 : atMs - dippedSince;
        const { limitMs } = set;
        return { atMs, standstillMs, limitMs, throttlePercent: throttled, dippedForMs, steerings };
      }
      if (remaining > 0) pass++;
    }
    if (steering !== undefined && atMs % lookMs === 0) {
      const carriesBytesPerS = samples.length === 0 ? undefined : Math.max(...samples);
      const wire =
        move.expansion === undefined ? {} : { wire: { sentBytes: wireBytes, carriesBytesPerS, waits } };
      const seen = { atMs, pass, transferredBytes: streamBytes, remainingBytes: remaining };
      apply(steering.observe({ ...seen, dirtyBytesPerS: dirtyRate, ...wire }));
    }
  }
  return undefined;
}
