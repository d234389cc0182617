import { DockError } from '../../protocol/dock-error.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import { askAgent } from '../contract/ask-agent.ts';
import type { Adapted, StepProgress, Undo } from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import { readVirtioMem, type VirtioMem } from '../qemu/read-filling.ts';
import { balloonIsLent, deflate, readBallooned, setBallooned } from './balloon.ts';
import type { MemoryMargin } from './floor.ts';
import { guardGuest } from './guard-guest.ts';
import type { MemoryChange } from './plan.ts';
import { holders } from './refuse.ts';
import type { MemoryTiming } from './timing.ts';
import { followPlugged, requestPlugged, settleRequest } from './virtio-mem.ts';

export interface ShrinkContext {
  readonly machine: VirtualMachine;
  readonly progress: (now: StepProgress) => void;
  readonly timing: MemoryTiming;
  readonly margin: MemoryMargin;
}

type Shrink = Extract<MemoryChange, { action: 'shrink' }>;

/** Undoing may take as long as the guest needs to take 4 GiB back, busy. */
const undoLimitMs = 60_000;

/**
 * Takes memory away until the machine has `memoryMiB`: virtio-mem first, the balloon for what will not leave,
 * never both at once. When that much cannot be had, all of it is given back and `does-not-fit` is thrown; only
 * a guest without agent is let through with more, as far as the host it goes to can hold it.
 */
export async function shrinkMemory(
  change: Shrink,
  context: ShrinkContext,
  signal: AbortSignal,
): Promise<Adapted> {
  const { machine, timing } = context;
  const base = machine.contract.baseMemoryMiB;
  const before = await readVirtioMem(machine.qmp, signal);
  const undo = giveBack(context, before, await heldBefore(context, signal));
  const endangered = new AbortController();
  const over = new AbortController();
  const guarded = AbortSignal.any([signal, endangered.signal]);
  const guard = guardGuest(
    machine,
    context.margin.minimumMiB / 2,
    timing,
    (guest) => endangered.abort(tooTight(guest, change)),
    AbortSignal.any([signal, over.signal]),
  );
  try {
    const pluggedMiB = await unplug(Math.max(0, change.memoryMiB - base), before, context, guarded);
    const restMiB = base + pluggedMiB - change.memoryMiB;
    const held = await balloonFor(restMiB, context, guarded);
    const reachedMiB = base + pluggedMiB - held.heldMiB;
    const shortfall = {
      resource: 'memory' as const,
      requested: `${change.memoryMiB} MiB`,
      actual: `${reachedMiB} MiB`,
    };
    if (reachedMiB > change.memoryMiB) {
      if (machine.agent !== undefined || reachedMiB > change.hostMiB) {
        throw stuck(change, reachedMiB, held.why);
      }
      return { undo, shortfalls: [{ ...shortfall, reason: held.why }] };
    }
    if (held.lent) {
      const reason = `the guest may take ${held.heldMiB} MiB back from the balloon when it runs short`;
      return { undo, shortfalls: [{ ...shortfall, reason }] };
    }
    return { undo, shortfalls: [] };
  } catch (error) {
    await undo(AbortSignal.timeout(undoLimitMs)).catch(() => {});
    endangered.signal.throwIfAborted();
    throw error;
  } finally {
    over.abort();
    await guard;
  }
}

/** Answers the plugged size that was reached; no request is open any more. */
async function unplug(
  goalMiB: number,
  before: VirtioMem,
  context: ShrinkContext,
  signal: AbortSignal,
): Promise<number> {
  const { machine, timing, progress } = context;
  const whole = before.sizeMiB - goalMiB;
  const report = (missingMiB: number) =>
    progress({
      text: `${Math.round(missingMiB)} MiB still to leave`,
      fraction: fractionOf(whole - missingMiB, whole),
    });
  for (let attempt = 1; attempt <= 2; attempt++) {
    // Compaction makes blocks that can leave; the second time for what became movable meanwhile.
    await askAgent(machine, 'release-memory', { dropCaches: true }, timing.agentMs, signal);
    await requestPlugged(machine.qmp, before.qomPath, goalMiB, signal);
    const followed = await followPlugged(machine.qmp, goalMiB, report, timing.shrink, signal);
    if (followed.arrived) return goalMiB;
    // The guest tells nobody that it gave up on its driver's side; without an agent a second try is the same try.
    if (machine.agent === undefined) break;
  }
  return await settleRequest(machine.qmp, signal);
}

interface Held {
  readonly heldMiB: number;
  /** The guest may take it back by itself. */
  readonly lent: boolean;
  /** Why it is not more. */
  readonly why: string;
}

/** Sets the balloon to hold the rest, as far as the guest can spare it; an old rest is let go. */
async function balloonFor(restMiB: number, context: ShrinkContext, signal: AbortSignal): Promise<Held> {
  const { machine, timing, margin } = context;
  const base = machine.contract.baseMemoryMiB;
  if (restMiB <= 0) {
    return { heldMiB: await deflate(machine.qmp, base, timing.balloon, signal), lent: false, why: '' };
  }
  const nothing = (why: string): Held => ({ heldMiB: 0, lent: false, why });
  const asked = await askAgent(machine, 'observe', {}, timing.agentMs, signal);
  if (!asked.answered) return nothing(`the guest kept the rest, and the balloon was not used: ${asked.why}`);
  const { availableMiB } = asked.result.memory;
  if (availableMiB - restMiB < margin.minimumMiB) {
    return nothing(`the guest kept the rest and has only ${Math.round(availableMiB)} MiB available`);
  }
  try {
    const heldMiB = await setBallooned(machine.qmp, base, restMiB, timing.balloon, signal);
    return {
      heldMiB,
      lent: await balloonIsLent(machine.qmp, signal),
      why: `the guest kept the rest, and the balloon got ${Math.round(heldMiB)} MiB of it`,
    };
  } catch (error) {
    const failure = DockError.from(error);
    if (failure.kind !== 'qemu-refused') throw error;
    return nothing(`the guest kept the rest, and the balloon cannot be used: ${failure.message}`);
  }
}

function giveBack(context: ShrinkContext, before: VirtioMem, heldMiB: number): Undo {
  const { machine, timing } = context;
  const base = machine.contract.baseMemoryMiB;
  return async (signal) => {
    // The other way round than taking: the balloon lets go first, so that the guest can pay for descriptors.
    if (heldMiB > 0) await setBallooned(machine.qmp, base, heldMiB, timing.balloon, signal);
    else await deflate(machine.qmp, base, timing.balloon, signal);
    await requestPlugged(machine.qmp, before.qomPath, before.requestedMiB, signal);
    await followPlugged(machine.qmp, before.sizeMiB, () => {}, timing.grow, signal);
    await askAgent(machine, 'online-memory', {}, timing.agentMs, signal);
  };
}

async function heldBefore(context: ShrinkContext, signal: AbortSignal): Promise<number> {
  try {
    return await readBallooned(context.machine.qmp, context.machine.contract.baseMemoryMiB, signal);
  } catch (error) {
    if (DockError.from(error).kind === 'qemu-refused') return 0;
    throw error;
  }
}

function stuck(change: Shrink, reachedMiB: number, why: string): DockError {
  const missingMiB = Math.ceil(reachedMiB - change.memoryMiB);
  const message =
    `the guest's memory could not be shrunk to ${change.memoryMiB} MiB: ${missingMiB} MiB would not leave ` +
    `(${why}). Everything was given back; close something large, or use a policy that gives more memory.`;
  return new DockError('does-not-fit', message, {
    detail: { resource: 'memory', targetMiB: change.memoryMiB, reachedMiB, missingMiB },
  });
}

function tooTight(guest: GuestState, change: Shrink): DockError {
  const { availableMiB, largest } = guest.memory;
  const message =
    `the guest began to use more memory while it was being shrunk to ${change.memoryMiB} MiB: only ` +
    `${Math.round(availableMiB)} MiB were left. ${holders(largest)}Everything was given back; try again.`;
  return new DockError('does-not-fit', message, {
    detail: { resource: 'memory', targetMiB: change.memoryMiB, availableMiB, largest },
  });
}

function fractionOf(part: number, whole: number): number {
  return whole <= 0 ? 1 : Math.min(1, Math.max(0, part / whole));
}
