import type { Qmp } from '../contract/virtual-machine.ts';
import { readVirtioMem } from '../qemu/read-filling.ts';
import { type Followed, type FollowTiming, followProgress } from '../system/clock/follow-progress.ts';

const bytesPerMiB = 1024 * 1024;

/** Asks the guest's driver for this plugged size; it follows as far and as fast as it can. */
export async function requestPlugged(
  qmp: Qmp,
  qomPath: string,
  pluggedMiB: number,
  signal: AbortSignal,
): Promise<void> {
  const value = pluggedMiB * bytesPerMiB;
  await qmp.execute('qom-set', { path: qomPath, property: 'requested-size', value }, signal);
}

/**
 * Waits until the plugged size is `goalMiB`, or has come no nearer for the stall time. Polled, because
 * MEMORY_DEVICE_SIZE_CHANGE comes once a second at most and the last one may be missing.
 */
export function followPlugged(
  qmp: Qmp,
  goalMiB: number,
  onChange: (missingMiB: number) => void,
  timing: FollowTiming,
  signal: AbortSignal,
): Promise<Followed> {
  const readMissing = async (now: AbortSignal) => Math.abs((await readVirtioMem(qmp, now)).sizeMiB - goalMiB);
  return followProgress(readMissing, onChange, timing, signal);
}

/**
 * Ends a request that the guest does not fulfil: without this its driver would go on trying, and the machine
 * would change its size at any later time, also during a move. Answers the plugged size.
 */
export async function settleRequest(qmp: Qmp, signal: AbortSignal): Promise<number> {
  const device = await readVirtioMem(qmp, signal);
  if (device.requestedMiB !== device.sizeMiB) {
    await requestPlugged(qmp, device.qomPath, device.sizeMiB, signal);
  }
  return device.sizeMiB;
}
