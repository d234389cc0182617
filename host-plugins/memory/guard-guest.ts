import { setTimeout as delay } from 'node:timers/promises';
import type { GuestState } from '../../protocol/guest-state.ts';
import { askAgent } from '../contract/ask-agent.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import type { MemoryTiming } from './timing.ts';

/**
 * Looks at the guest while its memory is being taken away: what it uses can grow meanwhile. When less than
 * `leastMiB` is available, `endangered` gets the guest's state; it is called once at most. Ends with the signal.
 */
export async function guardGuest(
  machine: VirtualMachine,
  leastMiB: number,
  timing: MemoryTiming,
  endangered: (guest: GuestState) => void,
  signal: AbortSignal,
): Promise<void> {
  if (machine.agent === undefined) return;
  try {
    for (;;) {
      await delay(timing.guardMs, undefined, { signal });
      const asked = await askAgent(machine, 'observe', {}, timing.agentMs, signal);
      if (!asked.answered || asked.result.memory.availableMiB >= leastMiB) continue;
      endangered(asked.result);
      return;
    }
  } catch {
    // Only the signal ends askAgent and the delay early: the shrinking is over.
  }
}
