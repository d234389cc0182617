import type { DisplayAllocation } from '../../protocol/allocation.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import { askAgent } from '../contract/ask-agent.ts';
import type { Adapted, Undo } from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import { describe } from './verify.ts';

/** For the compositor to see the new monitor and to set the mode; a desktop under emulation takes seconds. */
const applyLimitMs = 30_000;

/** On the target nothing is left behind: the size lives in the QEMU that would go, the mode in the guest. */
const nothingToUndo = async () => {};

/**
 * The smaller picture of the next host, while the guest still runs here. What does not work is no shortfall: the move
 * is only longer, and the next host tries again.
 */
export async function shrinkDesktop(
  display: DisplayAllocation,
  back: DisplayAllocation,
  machine: VirtualMachine,
  signal: AbortSignal,
): Promise<Adapted> {
  const change = async (to: DisplayAllocation, within: AbortSignal): Promise<void> => {
    await showMonitor(to, machine, within);
    await applyToDesktop(to, machine, within);
  };
  const undo: Undo = (cleanup) => change(back, cleanup);
  try {
    await change(display, signal);
  } catch (error) {
    await undo(AbortSignal.timeout(applyLimitMs));
    throw error;
  }
  return { undo, shortfalls: [] };
}

/** Gives the guest's monitor its size, in pixels and in millimetres: the guest gets an EDID with both. */
export async function showMonitor(
  display: DisplayAllocation,
  machine: VirtualMachine,
  signal: AbortSignal,
): Promise<Adapted> {
  try {
    await machine.display.setUiInfo(display, signal);
    return { undo: nothingToUndo, shortfalls: [] };
  } catch (error) {
    signal.throwIfAborted();
    const reason = `QEMU's display did not take the size: ${DockError.from(error).message}`;
    return { undo: nothingToUndo, shortfalls: [shortfall(display, 'not shown', reason)] };
  }
}

/** Has the guest's compositor drive the monitor in this mode and scale. */
export async function applyToDesktop(
  display: DisplayAllocation,
  machine: VirtualMachine,
  signal: AbortSignal,
): Promise<Adapted> {
  const asked = await askAgent(machine, 'apply-display', display, applyLimitMs, signal);
  const problems = asked.answered ? asked.result.problems : [asked.why];
  const shortfalls = problems.map((problem) => shortfall(display, 'not as asked', problem));
  return { undo: nothingToUndo, shortfalls };
}

function shortfall(display: DisplayAllocation, actual: string, reason: string): Shortfall {
  return { resource: 'display', requested: describe(display), actual, reason };
}
