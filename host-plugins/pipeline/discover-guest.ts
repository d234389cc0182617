import { DockError } from '../../protocol/dock-error.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { GuestAgent } from '../contract/virtual-machine.ts';

/**
 * Reads the guest through its agent. Without an agent a VM still moves: then `why` says what is missing, and the
 * outcome says that nothing could be adapted.
 */
export async function discoverGuest(
  agent: GuestAgent | undefined,
  signal: AbortSignal,
): Promise<{ guest: GuestState; why?: never } | { guest: undefined; why: string }> {
  if (agent === undefined) {
    return {
      guest: undefined,
      why: 'no agent answers in the guest; is wireless-dock-agent installed there?',
    };
  }
  try {
    return { guest: await agent.call('observe', {}, signal) };
  } catch (error) {
    return { guest: undefined, why: DockError.from(error).message };
  }
}
