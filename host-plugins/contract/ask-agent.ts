import type { AgentMethod, AgentParams, AgentResult } from '../../protocol/agent-channel.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { VirtualMachine } from './virtual-machine.ts';

/** What came of asking the guest: its answer, or in words why there is none. */
export type Asked<T> =
  | { readonly answered: true; readonly result: T }
  | { readonly answered: false; readonly why: string };

/**
 * Asks the guest for something that a move can do without: an agent that is not there, refuses or takes longer
 * than `limitMs` makes a reason for a shortfall. Throws only when the caller's own signal was aborted.
 */
export async function askAgent<M extends AgentMethod>(
  machine: Pick<VirtualMachine, 'agent'>,
  method: M,
  params: AgentParams<M>,
  limitMs: number,
  signal: AbortSignal,
): Promise<Asked<AgentResult<M>>> {
  if (machine.agent === undefined) return { answered: false, why: 'no agent answers in the guest' };
  try {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    return { answered: true, result: await machine.agent.call(method, params, limited) };
  } catch (error) {
    signal.throwIfAborted();
    const failure = DockError.from(error);
    if (failure.kind === 'timeout' || failure.kind === 'cancelled') {
      return { answered: false, why: `the agent did not answer "${method}" within ${limitMs / 1000} s` };
    }
    return { answered: false, why: failure.message };
  }
}
