import type { Allocation, Resource } from '../../protocol/allocation.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { HostProfile, LanChange } from '../../protocol/host-profile.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { MachineContract, MachineFilling } from '../../protocol/workspace.ts';
import type { VirtualMachine } from './virtual-machine.ts';

/** What `wdock doctor` shows of a plugin: what it can do on this host, and what not and why. */
export interface PluginAbility {
  readonly can: readonly string[];
  readonly cannot: readonly string[];
}

/** All that a plan is made from; a plan asks nothing of the machine. */
export interface PlanContext {
  readonly contract: MachineContract;
  /** What is plugged now, as QEMU says. */
  readonly filling: MachineFilling;
  /** Read in the guest; absent when no agent answers. */
  readonly guest: GuestState | undefined;
  /** What the guest has here; absent at the first move. */
  readonly from: Allocation | undefined;
  /** What the guest shall have there. */
  readonly to: Allocation;
  readonly target: HostProfile;
  /** What has to stay available in the guest after it was made smaller, MiB; the policy's word. */
  readonly headroomMiB?: number;
  /** Absent: the guest is on the LAN that it was on. */
  readonly lanChange?: LanChange;
}

/** Puts back what a step changed. Never throws for what is gone already. */
export type Undo = (signal: AbortSignal) => Promise<void>;

/** What an adapt step achieved: its undo, and what it could not do. A step throws only when the move cannot go on. */
export interface Adapted {
  readonly undo: Undo;
  readonly shortfalls: readonly Shortfall[];
}

export interface StepProgress {
  readonly text: string;
  readonly fraction?: number;
}

/**
 * A resource that follows the host (docs/architecture.md). `plan` and `verify` are pure and synchronous; `plan`
 * throws `does-not-fit` with the numbers when the move cannot work. One folder a plugin, the same files in each.
 */
export interface ResourcePlugin {
  readonly resource: Resource;
  readonly abilities: { readonly hotplug: boolean; readonly survivesMigration: boolean };
  discover(signal: AbortSignal): Promise<PluginAbility>;
  plan(context: PlanContext): PlanStep[];
  adapt(
    step: PlanStep,
    machine: VirtualMachine,
    progress: (now: StepProgress) => void,
    signal: AbortSignal,
  ): Promise<Adapted>;
  /** What is not as asked, from what was read inside the guest. */
  verify(to: Allocation, after: GuestState): Shortfall[];
}
