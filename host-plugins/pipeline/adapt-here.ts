import { setTimeout as delay } from 'node:timers/promises';
import type { HostDescription } from '../../protocol/agent-channel.ts';
import type { Allocation } from '../../protocol/allocation.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { HostProfile, LanChange } from '../../protocol/host-profile.ts';
import type { GuestSummary, Shortfall, StageTime } from '../../protocol/outcome.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { MachineContract } from '../../protocol/workspace.ts';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import type { VirtualMachine } from '../contract/virtual-machine.ts';
import { readFilling } from '../qemu/read-filling.ts';
import { adaptServices, announceHost, correctClock } from './adapt-services.ts';
import { discoverGuest } from './discover-guest.ts';
import { endGuard } from './guard-guest.ts';
import { planTrip } from './plan-trip.ts';
import { runAdaptingSteps } from './run-steps.ts';
import { type Clock, type Emit, type Say, StageClock } from './stage-clock.ts';
import { summarizeGuest } from './summarize-guest.ts';

/**
 * A guest that has just arrived answers within a second, or some where its processor is emulated; one that boots, or gets its
 * agent later, is adapted when that greets.
 */
const agentLimitMs = 20_000;
/** Reading the whole guest, on the slowest device, ms. */
export const observeLimitMs = 20_000;
/** A guest is looked at so often, and so long apart, ms, until it knows how it is attached: where nobody answers, never. */
const mostLooks = 6;
const betweenLooksMs = 500;

/** A machine that can say whether an agent is in its guest. */
export interface AdaptableMachine extends VirtualMachine {
  awaitAgent(limitMs: number, signal: AbortSignal): Promise<{ why: string | undefined }>;
}

export interface AdaptOptions {
  readonly machine: AdaptableMachine;
  readonly plugins: readonly ResourcePlugin[];
  readonly contract: MachineContract;
  readonly to: Allocation;
  /** Looked at where steps are planned; what was laid before has them, and no program has to be started for it. */
  readonly discoverHost: (signal: AbortSignal) => Promise<HostProfile>;
  readonly host: HostDescription;
  readonly epoch: number;
  /** The guest as it was last read, where it was. */
  readonly guest: GuestState | undefined;
  readonly lanChange: LanChange | undefined;
  /** The guest does not trust this host; where it does, what was locked for another one is undone. */
  readonly guarded: boolean;
  readonly emit: Emit;
  readonly clock: Clock;
}

export interface AdaptResult {
  readonly adaptMs: number;
  readonly after: GuestSummary | null;
  readonly state: GuestState | undefined;
  readonly shortfalls: Shortfall[];
  readonly stages: StageTime[];
}

/** What was laid for the VM before it ran, and what was said when it did (readiness.ts). */
export interface Prepared {
  readonly steps: readonly PlanStep[];
  /** Of all that was done so far; waits for what is under way. */
  shortfalls(): Promise<readonly Shortfall[]>;
}

/**
 * Makes the guest fit this host, and reads it again: stages *adapt* and *verify*. Called when the VM runs here, after
 * a move, a start or a restart of the daemon; everything in it is idempotent. Never throws but for an abort: what
 * could not be done is a shortfall, for a guest that is short of something is better than none. Without `prepared`
 * (the daemon has found the VM running) the steps are planned, and the network told, here.
 */
export async function adaptHere(
  options: AdaptOptions,
  prepared: Prepared | undefined,
  signal: AbortSignal,
): Promise<AdaptResult> {
  const { machine, to, clock } = options;
  const stages = new StageClock(options.emit, clock);
  const begin = clock.monotonic();
  const shortfalls: Shortfall[] = [];
  let answers = true;

  await stages.run('adapt', async (say) => {
    const context = contextOf(options, say);
    const steps = prepared?.steps ?? (await planAdapting(options, shortfalls, signal));
    const before = prepared?.shortfalls() ?? runAdaptingSteps(context, steps, 'on-run', signal);
    const agent = await machine.awaitAgent(agentLimitMs, signal);
    if (agent.why !== undefined) {
      answers = false;
      shortfalls.push({
        resource: 'agent',
        requested: 'an agent in the guest',
        actual: 'none',
        reason: agent.why,
      });
    } else {
      shortfalls.push(...(await correctClock(machine, () => clock.wall(), signal)));
    }
    const [adapted, services, guard] = await Promise.all([
      runAdaptingSteps(context, steps, 'after-move', signal),
      agent.why === undefined ? adaptServices(machine, to, signal) : [],
      agent.why === undefined && !options.guarded ? endGuard(machine, signal) : [],
    ]);
    shortfalls.push(...(await before), ...adapted, ...services, ...guard);
    if (agent.why === undefined) {
      shortfalls.push(...(await announceHost(machine, options.host, options.epoch, signal)));
    }
  });

  const state = await stages.run('verify', async () => {
    if (!answers) return undefined;
    const guest = await lookUntilAttached(machine, signal);
    if (guest === undefined) return undefined;
    const found = options.plugins.flatMap((plugin) => plugin.verify(to, guest));
    // A step that fell short has said why, which what was read afterwards cannot.
    shortfalls.push(...found.filter((each) => !shortfalls.some((said) => said.resource === each.resource)));
    return guest;
  });

  return {
    adaptMs: Math.round(clock.monotonic() - begin),
    after: state === undefined ? null : summarizeGuest(state),
    state,
    shortfalls,
    stages: stages.times,
  };
}

/** What was read of the guest; again for a while where its gateway has not answered it yet, by which it knows how it is attached. */
async function lookUntilAttached(
  { agent }: AdaptOptions['machine'],
  signal: AbortSignal,
): Promise<GuestState | undefined> {
  for (let looks = 1; ; looks++) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(observeLimitMs)]);
    const { guest } = await discoverGuest(agent, limit);
    signal.throwIfAborted();
    if (guest === undefined || guest.network.mode !== undefined || looks === mostLooks) return guest;
    await delay(betweenLooksMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

function contextOf({ plugins, machine }: AdaptOptions, say: Say) {
  return { plugins, machine, say };
}

/** The steps on this host, planned from what QEMU says is plugged, not from what was asked for. */
export async function planAdapting(
  options: AdaptOptions,
  refused: Shortfall[],
  signal: AbortSignal,
): Promise<PlanStep[]> {
  const { contract, machine, guest, to, plugins, lanChange } = options;
  const [filling, target] = await Promise.all([
    readFilling(machine.qmp, signal),
    options.discoverHost(signal),
  ]);
  const context = {
    ...{ contract, filling, guest, to, from: undefined, target },
    ...(lanChange === undefined ? {} : { lanChange }),
  };
  return plugins.flatMap((plugin) => {
    try {
      return planTrip([plugin], context).filter((step) => step.when !== 'before-move');
    } catch (error) {
      // A guest that holds more than it shall have cannot be refused here: it runs here already.
      refused.push({
        resource: plugin.resource,
        requested: 'as allocated',
        actual: 'as it is',
        reason: DockError.from(error).message,
      });
      return [];
    }
  });
}
