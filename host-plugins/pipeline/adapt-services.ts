import type { HostDescription } from '../../protocol/agent-channel.ts';
import type { Allocation } from '../../protocol/allocation.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import { type Asked, askAgent } from '../contract/ask-agent.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';

/** How long one request to the agent may take, ms; a small guest on a slow host needs its time. */
const limitMs = 20_000;

/** Sets the guest's clock to the host's: while no copy ran, the guest's clock stood still. */
export async function correctClock(
  machine: VirtualMachine,
  now: () => number,
  signal: AbortSignal,
): Promise<Shortfall[]> {
  const asked = await askAgent(machine, 'set-clock', { timeMs: now() }, limitMs, signal);
  return shortfallsOf('clock', 'the time of the host', asked);
}

/** What only the agent can do: services that sleep on a small device, power profile, on-screen keyboard. */
export async function adaptServices(
  machine: VirtualMachine,
  { services, power, input }: Allocation,
  signal: AbortSignal,
): Promise<Shortfall[]> {
  const [slept, powered, typed] = await Promise.all([
    askAgent(machine, 'apply-services', { sleep: services.sleep }, limitMs, signal),
    askAgent(machine, 'apply-power', power, limitMs, signal),
    askAgent(machine, 'apply-input', input, limitMs, signal),
  ]);
  return [
    ...shortfallsOf('services', `asleep: ${services.sleep.join(', ') || 'none'}`, slept),
    ...shortfallsOf('power', power.profile, powered),
    ...shortfallsOf('services', `on-screen keyboard ${input.onScreenKeyboard ? 'on' : 'off'}`, typed),
  ];
}

/** Tells the guest, and through it the applications, where it runs now. */
export async function announceHost(
  machine: VirtualMachine,
  host: HostDescription,
  epoch: number,
  signal: AbortSignal,
): Promise<Shortfall[]> {
  const asked = await askAgent(machine, 'host-changed', { host, epoch }, limitMs, signal);
  return asked.answered ? [] : shortfallsOf('agent', `told that it runs on ${host.name}`, asked);
}

export function shortfallsOf(
  resource: Shortfall['resource'],
  requested: string,
  asked: Asked<{ problems?: string[] }>,
): Shortfall[] {
  if (!asked.answered) return [{ resource, requested, actual: 'not known', reason: asked.why }];
  return (asked.result.problems ?? []).map((reason) => ({
    resource,
    requested,
    actual: 'not as asked',
    reason,
  }));
}
