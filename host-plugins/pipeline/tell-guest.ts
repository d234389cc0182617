import { DockError } from '../../protocol/dock-error.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import type { GuestAgent } from '../contract/virtual-machine.ts';
import type { Rollback } from './rollback.ts';

/** How long the applications' delay may be exceeded by the agent's own work, ms. */
const agentGraceMs = 5_000;

/** The move that the guest is told of. */
export interface MoveNews {
  /** Of the device that it goes to. */
  readonly name: string;
  readonly profile: HostProfile;
  /** How long its applications may delay the move, ms. */
  readonly maxDelayMs: number;
}

/**
 * Tells the guest that it will move, and waits for applications that delay it. A guest that cannot be told moves all the
 * same: returns what is to be said about it, if anything. Throws only when the signal aborts.
 */
export async function tellGuest(
  agent: GuestAgent,
  { name, profile, maxDelayMs }: MoveNews,
  rollback: Rollback,
  signal: AbortSignal,
): Promise<string | undefined> {
  rollback.defer('tell the guest that it stays', async (undo) => {
    await agent.call('cancel-move', {}, undo);
  });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(maxDelayMs + agentGraceMs)]);
  const { deviceClass, simulated } = profile;
  const target = { name, deviceClass, simulated };
  try {
    const { expired, delayedBy } = await agent.call('prepare-move', { target, maxDelayMs }, limit);
    return expired ? `not waiting any longer for: ${delayedBy.join(', ')}` : undefined;
  } catch (error) {
    signal.throwIfAborted();
    return `applications were not told: ${DockError.from(error).message}`;
  }
}
