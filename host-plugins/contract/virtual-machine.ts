import type { AgentMethod, AgentParams, AgentResult } from '../../protocol/agent-channel.ts';
import type { DisplayAllocation } from '../../protocol/allocation.ts';
import type { MachineContract } from '../../protocol/workspace.ts';

/** QMP as a plugin sees it. A refusal by QEMU throws `qemu-refused`, a dead socket `qemu-gone`. */
export interface Qmp {
  execute<T = unknown>(command: string, args: object, signal: AbortSignal): Promise<T>;
  /** Events from now on, until the signal is aborted or QEMU goes; open it *before* the command whose events it shall see. */
  events(signal: AbortSignal, ...names: string[]): AsyncIterable<QmpEvent>;
}

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970, QEMU's clock. */
  readonly at: number;
}

/** The guest agent as a plugin sees it. `agent-absent` when nobody answers, `agent-refused` for its errors. */
export interface GuestAgent {
  call<M extends AgentMethod>(
    method: M,
    params: AgentParams<M>,
    signal: AbortSignal,
  ): Promise<AgentResult<M>>;
}

/** QEMU's D-Bus display (ui/dbus-display1.xml, Console.SetUIInfo). */
export interface DisplayControl {
  setUiInfo(display: DisplayAllocation, signal: AbortSignal): Promise<void>;
}

/** The VM on this host, as plugins reach it. */
export interface VirtualMachine {
  readonly name: string;
  readonly contract: MachineContract;
  readonly qmp: Qmp;
  /** Absent when the guest has none that answers; then what needs it becomes a shortfall. */
  readonly agent: GuestAgent | undefined;
  readonly display: DisplayControl;
  /** The tap of this VM on this host. */
  readonly tap: string;
  /** The guest's addresses with prefix length, as last read inside it. */
  readonly guestAddresses: readonly string[];
}
