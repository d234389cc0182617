import { setTimeout as sleep } from 'node:timers/promises';
import { DockError } from '../protocol/dock-error.ts';
import type { TripOutcome } from '../protocol/outcome.ts';
import type { Progress } from '../test/lab/cache/cached-build.ts';
import { judgeTrip } from '../test/lab/demo/judge-trip.ts';
import { Lab } from '../test/lab/lab.ts';
import type { LabGuest } from '../test/lab/lab-guest.ts';
import { readProcessUsage, type UsageReport } from '../test/lab/verify/process-usage.ts';
import { compareUsage, type Footprint } from './compare-usage.ts';
import type { RunFigures } from './metrics.ts';
import { readAgentUsage } from './read-agent-usage.ts';

/** After a start and after a move both sides still tidy up; what is idle is watched only then, ms. */
export const calmMs = 15_000;

interface Usage {
  readonly agent: UsageReport;
  readonly wdockd: UsageReport;
}

/**
 * One run on devices and a guest of its own: idle on the MID, a dock, an undock, memory once more.
 * @throws DockError `conflict` where the guest is not as a trip should have made it: its time would mean nothing
 */
export async function measureRun(
  guest: LabGuest,
  idleSeconds: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<RunFigures> {
  await using lab = await Lab.start(guest, { link: 'unshaped', progress }, signal);
  await sleep(calmMs, undefined, { signal });
  progress(`watching the idle agent and both wdockd for ${idleSeconds} s`);
  const before = await readUsage(lab, signal);
  await sleep(idleSeconds * 1000, undefined, { signal });
  const idle = await readUsage(lab, signal);
  const [service, helper] = compareUsage(before.agent, idle.agent) as [Footprint, Footprint];
  const [mid, pc] = compareUsage(before.wdockd, idle.wdockd) as [Footprint, Footprint];
  const dock = await travel(lab, ['dock', 'pc'], progress, signal);
  const undock = await travel(lab, ['undock'], progress, signal);
  await sleep(calmMs, undefined, { signal });
  const after = await readUsage(lab, signal);
  const [midAfter, pcAfter] = after.wdockd.processes;
  return {
    agentSystemKiB: service.anonymousKiB,
    agentSessionKiB: helper.anonymousKiB,
    agentKiB: service.anonymousKiB + helper.anonymousKiB,
    agentCpuMsPerMinute: service.cpuMsPerMinute + helper.cpuMsPerMinute,
    agentAfterTripsKiB: after.agent.processes.reduce((sum, { anonymousKiB }) => sum + anonymousKiB, 0),
    midKiB: mid.anonymousKiB,
    pcKiB: pc.anonymousKiB,
    midCpuMsPerMinute: mid.cpuMsPerMinute,
    pcCpuMsPerMinute: pc.cpuMsPerMinute,
    ...(midAfter && { midAfterTripsKiB: midAfter.anonymousKiB }),
    ...(pcAfter && { pcAfterTripsKiB: pcAfter.anonymousKiB }),
    dockAdaptMs: dock.adaptMs,
    undockAdaptMs: undock.adaptMs,
    dockMs: dock.totalMs,
    undockMs: undock.totalMs,
    dockMoveMs: stageMs(dock, 'transfer') + stageMs(dock, 'hand-over'),
    ...(dock.downtimeMs !== null && { dockDowntimeMs: dock.downtimeMs }),
    ...(undock.downtimeMs !== null && { undockDowntimeMs: undock.downtimeMs }),
  };
}

async function readUsage(lab: Lab, signal: AbortSignal): Promise<Usage> {
  const agent = await readAgentUsage(lab, signal);
  const processes = [lab.mid.daemonPid, lab.pc.daemonPid].map((pid) => readProcessUsage(pid));
  return { agent, wdockd: { clockMs: performance.now(), processes } };
}

async function travel(
  lab: Lab,
  command: readonly ['dock', string] | readonly ['undock'],
  progress: Progress,
  signal: AbortSignal,
): Promise<TripOutcome> {
  progress(`wdock ${command.join(' ')}`);
  const outcome = await lab.mid.trip(command, () => undefined, signal);
  const wrong = judgeTrip(outcome);
  if (wrong.length > 0) throw new DockError('conflict', wrong.join('\n'));
  return outcome;
}

function stageMs({ stages }: TripOutcome, wanted: string): number {
  const stage = stages.find(({ name }) => name === wanted);
  if (stage === undefined)
    throw new DockError('protocol', `the outcome of the trip has no stage "${wanted}"`);
  return stage.ms;
}
