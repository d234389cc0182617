import { loadavg } from 'node:os';
import type { GapProbe } from '../../test/lab/network/gap-probe.ts';
import type { MigrationDetails, MigrationRun } from './figures.ts';
import { LinkMeter } from './link-meter.ts';
import { bulkRate } from './link-samples.ts';
import { readPeakKiB, resetPeak } from './peak-memory.ts';
import { readProcessorTime, since } from './processor-time.ts';
import type { Place, Traveller } from './traveller.ts';

/** After the move the client has to hear the guest again, ms. */
const answerLimitMs = 30_000;
/** The interface by which each device reaches the LAN. */
const uplinks = { mid: 'wlan0', pc: 'eth0' } as const;

export type LegFigures = Pick<
  MigrationRun,
  'wireBytes' | 'totalMs' | 'downtimeMs' | 'networkGapMs' | 'linkUse' | 'cpuMs'
> &
  Omit<MigrationDetails, 'repetition' | 'workMinutes' | 'loadDone'>;

/**
 * One trip of any system, watched from outside. What is counted is what the target's interface carries: until the guest
 * runs there, nobody else's traffic is on it.
 * @param ratePerS what iperf3 gets through in this direction, bytes a second
 */
export async function measureLeg(
  traveller: Traveller,
  to: Place,
  probe: GapProbe,
  ratePerS: number,
  signal: AbortSignal,
): Promise<LegFigures> {
  const from = to === 'pc' ? 'mid' : 'pc';
  const both = () => ({ source: traveller.processes(from), target: traveller.processes(to) });
  const used = ({ source, target }: ReturnType<typeof both>) => ({
    source: readProcessorTime([source.qemu, source.wdockd]),
    target: readProcessorTime([target.qemu, target.wdockd]),
  });
  const processes = both();
  const daemons = [processes.source.wdockd, processes.target.wdockd] as const;
  for (const pid of daemons) if (pid !== undefined) resetPeak(pid);
  // The target's QEMU may run already and counts from its start, as one does that is started for the trip.
  const usedBefore = used({ ...processes, target: { ...processes.target, qemu: undefined } });
  probe.mark();
  using meter = new LinkMeter(traveller.network[to], uplinks[to]);
  const atRunning: { seen?: { wireBytes: number; used: ReturnType<typeof used> } } = {};
  const onRunning = () => {
    atRunning.seen = { wireBytes: meter.look(), used: used(both()) };
  };
  const startedMs = performance.now();
  const own = await traveller.move(to, onRunning, signal);
  const wholeMs = own.stages.length === 0 ? own.totalMs : performance.now() - startedMs;
  const wholeBytes = meter.look();
  const peaks = daemons.map((pid) => (pid === undefined ? undefined : readPeakKiB(pid)));
  await probe.nextReply(AbortSignal.any([signal, AbortSignal.timeout(answerLimitMs)]));
  const { networkGapMs } = probe.measure();
  const seen = atRunning.seen;
  if (seen === undefined) throw new Error('the move ended, and the VM was never said to run');
  const [source, target] = (['source', 'target'] as const).map((end) =>
    since(usedBefore[end], seen.used[end]),
  );
  const { stages, ...figures } = own;
  const [peakSource, peakTarget] = peaks;
  return {
    ...figures,
    wireBytes: seen.wireBytes,
    networkGapMs: Math.round(networkGapMs),
    linkUse: (bulkRate(meter.samples) / ratePerS) * 100,
    cpuMs: { source: source?.ownMs ?? 0, target: target?.ownMs ?? 0 },
    guestCpuMs: { source: source?.guestMs ?? 0, target: target?.guestMs ?? 0 },
    peakKiB:
      peakSource === undefined || peakTarget === undefined
        ? null
        : { source: peakSource, target: peakTarget },
    wholeMs,
    wholeBytes,
    stages: [...stages],
    machineLoad: loadavg()[0] as number,
  };
}
