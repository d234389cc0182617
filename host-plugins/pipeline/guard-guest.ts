import { combineLayers } from '../../policies/choose/combine-layers.ts';
import { parsePolicy } from '../../policies/language/parse-policy.ts';
import type { AgentParams } from '../../protocol/agent-channel.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import { askAgent } from '../contract/ask-agent.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import { shortfallsOf } from './adapt-services.ts';
import type { PolicyText } from './choose.ts';
import type { Rollback } from './rollback.ts';

/** Unmounting waits for what is still to be written, ms. */
const limitMs = 60_000;

type Guard = Pick<AgentParams<'apply-guard'>, 'lock' | 'unmount'>;

/** What the workspace's own policy wants before it goes to this device, which its user trusts as a kiosk. */
export function chooseGuard(policy: PolicyText | undefined, profile: HostProfile, deviceName: string): Guard {
  const layers = policy === undefined ? [] : [parsePolicy(policy.text, policy.file)];
  const { kiosk } = combineLayers(layers, profile, { deviceName, trust: 'untrusted' }).settings;
  return { lock: kiosk.lock.value === 'always', unmount: [...kiosk.unmount.value] };
}

/**
 * Tells the guest that it goes to a kiosk, while it is still here: what it locks and takes away does not travel. Undone
 * when it stays. What could not be done is a shortfall: the user has been told what a kiosk can do.
 */
export async function guardGuest(
  machine: VirtualMachine,
  guard: Guard,
  kiosk: string,
  rollback: Rollback,
  signal: AbortSignal,
): Promise<Shortfall[]> {
  rollback.defer('tell the guest that it goes to no kiosk', async (undo) => {
    await endGuard(machine, undo);
  });
  const asked = await askAgent(machine, 'apply-guard', { guarded: true, ...guard }, limitMs, signal);
  return shortfallsOf('agent', `locked before it goes to the kiosk "${kiosk}"`, asked);
}

/** On a device that is no kiosk: what was unmounted is mounted again. An agent that knows no kiosks has unmounted nothing. */
export async function endGuard(machine: VirtualMachine, signal: AbortSignal): Promise<Shortfall[]> {
  const params = { guarded: false, lock: false, unmount: [] };
  const asked = await askAgent(machine, 'apply-guard', params, limitMs, signal);
  if (!asked.answered && /has no method/.test(asked.why)) return [];
  return shortfallsOf('agent', 'as it was before the kiosk', asked);
}
