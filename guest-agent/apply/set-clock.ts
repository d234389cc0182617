import type { AgentResult } from '../../protocol/agent-channel.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { runProgram } from '../run-program.ts';

/** Below this the way of the message is as large as the error. */
const toleranceMs = 50;

/**
 * Steps the wall clock by what it is off. By `date`, relatively: the step is right however long the program takes
 * to start, which takes tenths of a second on an emulated processor. timedated would do as well, but has to be
 * started for it, refuses while time synchronisation is on, and a call that timed out may still be carried out.
 *
 * @param timeMs the host's clock, ms since 1970, when the request came in.
 */
export async function setClock(timeMs: number, signal: AbortSignal): Promise<AgentResult<'set-clock'>> {
  const offMs = timeMs - Date.now();
  if (Math.abs(offMs) <= toleranceMs) return { correctedMs: 0, problems: [] };
  try {
    await runProgram(['date', `--set=${formatStep(offMs)}`], 10_000, signal);
    return { correctedMs: Math.round(offMs), problems: [] };
  } catch (error) {
    return {
      correctedMs: 0,
      problems: [`the clock is off by ${Math.round(offMs)} ms: ${DockError.from(error).message}`],
    };
  }
}

/** `+1.250 seconds`, as GNU date takes it. */
export function formatStep(offMs: number): string {
  return `${offMs < 0 ? '-' : '+'}${(Math.abs(offMs) / 1000).toFixed(3)} seconds`;
}
