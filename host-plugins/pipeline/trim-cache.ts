import { askAgent } from '../contract/ask-agent.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import type { TrimChoice } from './choose-trim.ts';

/** What the agent may take for it, ms; compacting comes on top. */
const trimLimitMs = 5_000;
const answerLimitMs = 15_000;

/** What came of it, MiB, and what is to be said of it. There is nothing to undo: what was dropped is read again when it is used. */
export async function trimCache(
  machine: Pick<VirtualMachine, 'agent'>,
  choice: Extract<TrimChoice, { trim: true }>,
  keepMiB: number,
  signal: AbortSignal,
): Promise<{ droppedMiB: number; said: string }> {
  const { mib, orAll, because } = choice;
  const wish = { mib, keepMiB, orAll, limitMs: trimLimitMs };
  const asked = await askAgent(machine, 'trim-cache', wish, answerLimitMs, signal);
  if (!asked.answered) return { droppedMiB: 0, said: `the page cache was not trimmed: ${asked.why}` };
  const { droppedMiB, keptMiB, problems } = asked.result;
  const reasons = [because, ...problems].join('; ');
  return {
    droppedMiB,
    said: `the guest dropped ${Math.round(droppedMiB)} MiB of its page cache and kept ${Math.round(keptMiB)}: ${reasons}`,
  };
}
