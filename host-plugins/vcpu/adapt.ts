import { DockError } from '../../protocol/dock-error.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import { askAgent } from '../contract/ask-agent.ts';
import type { Adapted, StepProgress } from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import { readVcpuSlots, type VcpuSlot } from '../qemu/read-filling.ts';
import { type FollowTiming, followProgress } from '../system/clock/follow-progress.ts';
import { count } from './plan.ts';

export interface VcpuTiming {
  /** For removed vCPUs to leave: 0.1 to 5 s were seen (docs: facts of vCPU hot-unplug). */
  readonly eject: FollowTiming;
  /** For the guest to see a plugged vCPU and bring it online. */
  readonly onlineMs: number;
}

/**
 * No event is waited for: DEVICE_DELETED names the local APIC, not the vCPU, so an empty slot is the only sign,
 * and it has to be asked for.
 */
export const defaultVcpuTiming: VcpuTiming = { eject: { pollMs: 100, stallMs: 10_000 }, onlineMs: 10_000 };

/** The agent's own wait plus the way there and back on a busy guest. */
const agentMarginMs = 5_000;

type Progress = (now: StepProgress) => void;

/**
 * Takes vCPUs out until `vcpus` are plugged. The guest offlines them first, which is instant; then they are
 * ejected. One that does not leave stays plugged and offline, travels along, and is named in a shortfall.
 */
export async function shrinkVcpus(
  vcpus: number,
  machine: VirtualMachine,
  progress: Progress,
  timing: VcpuTiming,
  signal: AbortSignal,
): Promise<Adapted> {
  const before = plugged(await readVcpuSlots(machine.qmp, signal));
  const leaving = before.filter((slot) => slot.index > 0).slice(vcpus - 1);
  const undo = async (cleanup: AbortSignal) => {
    await growVcpus(before.length, machine, () => {}, timing, cleanup);
  };
  try {
    const offlined = await setOnline(vcpus, machine, timing, signal);
    if (!(await ejectsAreSafe(machine, signal))) {
      return {
        undo,
        shortfalls: leaving.length === 0 ? [] : [stayed(vcpus, leaving, offlined, [unsafeEject])],
      };
    }
    const refusals = await requestEjects(leaving, machine, signal);
    let left: readonly VcpuSlot[] = leaving;
    const readMissing = async (now: AbortSignal): Promise<number> => {
      const present = new Set(plugged(await readVcpuSlots(machine.qmp, now)).map((slot) => slot.index));
      left = leaving.filter((slot) => present.has(slot.index));
      return left.length;
    };
    const report = (missing: number) =>
      progress({ text: `${count(missing)} still to leave`, fraction: 1 - missing / leaving.length });
    await followProgress(readMissing, report, timing.eject, signal);
    if (left.length === 0) return { undo, shortfalls: [] };
    return { undo, shortfalls: [stayed(vcpus, left, offlined, refusals)] };
  } catch (error) {
    // What was asked to leave may have left: without this the caller would have no undo for it.
    await undo(AbortSignal.timeout(timing.onlineMs + agentMarginMs)).catch(() => {});
    throw error;
  }
}

/** Fills slots in their order until `vcpus` are plugged, and has the guest bring exactly so many online. */
export async function growVcpus(
  vcpus: number,
  machine: VirtualMachine,
  progress: Progress,
  timing: VcpuTiming,
  signal: AbortSignal,
): Promise<Adapted> {
  const slots = await readVcpuSlots(machine.qmp, signal);
  const before = plugged(slots).length;
  const empty = slots.filter((slot) => slot.qomPath === undefined).slice(0, Math.max(0, vcpus - before));
  const shortfalls: Shortfall[] = [];
  let now = before;
  for (const slot of empty) {
    const refusal = await plug(slot, machine, signal);
    if (refusal !== undefined) {
      shortfalls.push(shortfall(vcpus, `${count(now)} plugged`, refusal));
      break;
    }
    now++;
    progress({ text: `${count(now)} plugged`, fraction: (now - before) / empty.length });
  }
  if (shortfalls.length === 0 && now < vcpus) {
    shortfalls.push(shortfall(vcpus, `${count(now)} plugged`, `the machine has room for ${slots.length}`));
  }
  const reachable = Math.min(vcpus, now);
  const online = await setOnline(reachable, machine, timing, signal);
  if (!online.answered) {
    shortfalls.push(
      shortfall(
        vcpus,
        `${count(now)} plugged`,
        `whether the guest uses them could not be checked: ${online.why}`,
      ),
    );
  } else if (online.result.online < reachable) {
    const why = online.result.problems.join('; ') || 'the guest did not bring the others online';
    shortfalls.push(shortfall(vcpus, `${count(online.result.online)} online of ${now} plugged`, why));
  }
  const undo = async (cleanup: AbortSignal) => {
    if (now > before) await shrinkVcpus(before, machine, () => {}, timing, cleanup);
  };
  return { undo, shortfalls };
}

function plugged(slots: readonly VcpuSlot[]): VcpuSlot[] {
  return slots.filter((slot) => slot.qomPath !== undefined);
}

function setOnline(online: number, machine: VirtualMachine, timing: VcpuTiming, signal: AbortSignal) {
  return askAgent(
    machine,
    'set-online-vcpus',
    { online, timeoutMs: timing.onlineMs },
    timing.onlineMs + agentMarginMs,
    signal,
  );
}

/** The answer is the refusal in QEMU's words. */
async function plug(
  slot: VcpuSlot,
  machine: VirtualMachine,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    // The same id that the command line of an incoming machine uses for this slot.
    const id = `vcpu${slot.index}`;
    await machine.qmp.execute('device_add', { ...slot.place, driver: slot.driver, id }, signal);
    return undefined;
  } catch (error) {
    return refusalOf(error);
  }
}

/**
 * QEMU 10.0 without KVM forgets to unregister a removed vCPU from its dirty log: the next migration waits for that
 * vCPU's thread, which is gone, and never ends (docs/decisions/0003). An offline vCPU costs the guest nothing.
 */
const unsafeEject =
  'under emulation QEMU hangs in the next migration after a vCPU was removed, so they are only taken offline';

async function ejectsAreSafe(machine: VirtualMachine, signal: AbortSignal): Promise<boolean> {
  const { enabled } = await machine.qmp.execute<{ enabled: boolean }>('query-kvm', {}, signal);
  return enabled;
}

/** Newest first, so that the guest's numbering keeps no holes. */
async function requestEjects(
  leaving: readonly VcpuSlot[],
  machine: VirtualMachine,
  signal: AbortSignal,
): Promise<string[]> {
  const refusals: string[] = [];
  for (const slot of [...leaving].reverse()) {
    try {
      // device_del takes a QOM path as well as an id; the path is true whoever plugged the vCPU.
      await machine.qmp.execute('device_del', { id: slot.qomPath }, signal);
    } catch (error) {
      refusals.push(refusalOf(error));
    }
  }
  return refusals;
}

/** Only "no" is survivable; a dead QEMU or a cancellation is thrown on. */
function refusalOf(error: unknown): string {
  const failure = DockError.from(error);
  if (failure.kind !== 'qemu-refused') throw error;
  return failure.message;
}

function stayed(
  vcpus: number,
  left: readonly VcpuSlot[],
  offlined: Awaited<ReturnType<typeof setOnline>>,
  refusals: readonly string[],
): Shortfall {
  const names = left.map((slot) => slot.index).join(', ');
  const actual =
    offlined.answered && offlined.result.online <= vcpus
      ? `${count(vcpus)} online; vCPUs ${names} stay plugged and offline, and travel along`
      : `vCPUs ${names} stay plugged and travel along`;
  const why = [
    ...(offlined.answered ? offlined.result.problems : [offlined.why]),
    ...(refusals.length === 0 ? ['the guest did not eject them in time'] : refusals),
  ];
  return shortfall(vcpus, actual, why.join('; '));
}

function shortfall(vcpus: number, actual: string, reason: string): Shortfall {
  return { resource: 'vcpu', requested: count(vcpus), actual, reason };
}
