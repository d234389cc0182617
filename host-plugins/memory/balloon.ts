import { z } from 'zod';
import { DockError } from '../../protocol/dock-error.ts';
import type { Qmp } from '../contract/virtual-machine.ts';
import { type FollowTiming, followProgress } from '../system/clock/follow-progress.ts';

const bytesPerMiB = 1024 * 1024;

const BalloonInfo = z.object({ actual: z.number() });

/**
 * How much the balloon holds, MiB. QEMU counts the balloon against the boot memory alone; what virtio-mem has
 * plugged is no part of its sum (hw/virtio/virtio-balloon.c, get_current_ram_size). Throws `qemu-refused`
 * without a balloon device or before the guest's driver is up.
 */
export async function readBallooned(qmp: Qmp, baseMiB: number, signal: AbortSignal): Promise<number> {
  const { actual } = BalloonInfo.parse(await qmp.execute('query-balloon', {}, signal));
  return Math.max(0, baseMiB - actual / bytesPerMiB);
}

/** Inflates or deflates until the balloon holds `wishedMiB` or stalls; answers what it holds then. */
export async function setBallooned(
  qmp: Qmp,
  baseMiB: number,
  wishedMiB: number,
  timing: FollowTiming,
  signal: AbortSignal,
): Promise<number> {
  await qmp.execute('balloon', { value: Math.round((baseMiB - wishedMiB) * bytesPerMiB) }, signal);
  let heldMiB = 0;
  const readMissing = async (now: AbortSignal) => {
    heldMiB = await readBallooned(qmp, baseMiB, now);
    return Math.abs(heldMiB - wishedMiB);
  };
  const followed = await followProgress(readMissing, () => {}, timing, signal);
  if (!followed.arrived) {
    // Ends the request, as with virtio-mem: the machine must not change its size later by itself.
    await qmp.execute('balloon', { value: Math.round((baseMiB - heldMiB) * bytesPerMiB) }, signal);
  }
  return heldMiB;
}

/** Empties the balloon if there is one. Answers what it still holds, MiB. */
export async function deflate(
  qmp: Qmp,
  baseMiB: number,
  timing: FollowTiming,
  signal: AbortSignal,
): Promise<number> {
  try {
    if ((await readBallooned(qmp, baseMiB, signal)) === 0) return 0;
    return await setBallooned(qmp, baseMiB, 0, timing, signal);
  } catch (error) {
    if (DockError.from(error).kind === 'qemu-refused') return 0;
    throw error;
  }
}

const QomEntries = z.array(z.object({ name: z.string(), type: z.string() }));

/**
 * True where the guest takes pages back from the balloon rather than kill a process (`deflate-on-oom`): then
 * what the balloon holds is lent, not given. MemTotal of such a guest does not fall either.
 */
export async function balloonIsLent(qmp: Qmp, signal: AbortSignal): Promise<boolean> {
  const folder = '/machine/peripheral';
  const entries = QomEntries.parse(await qmp.execute('qom-list', { path: folder }, signal));
  const balloon = entries.find((entry) => entry.type.startsWith('child<virtio-balloon'));
  if (balloon === undefined) return false;
  const property = { path: `${folder}/${balloon.name}`, property: 'deflate-on-oom' };
  return (await qmp.execute('qom-get', property, signal)) === true;
}
