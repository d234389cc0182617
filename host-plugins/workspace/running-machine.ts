import type { HostDescription } from '../../protocol/agent-channel.ts';
import type { MachineContract, WorkspaceRecord } from '../../protocol/workspace.ts';
import { AgentLink } from '../agent-link/agent-link.ts';
import type { DisplayControl, GuestAgent, Qmp, VirtualMachine } from '../contract/virtual-machine.ts';
import { displayControl } from '../qemu/display-control.ts';
import { isPortOpen } from '../qemu/is-port-open.ts';
import type { QmpProcess } from '../qemu/qmp-process.ts';
import type { RuntimeFiles } from '../qemu/runtime-files.ts';
import type { WorkspacePaths } from './paths.ts';
import { tapName } from './paths.ts';

/** A guest whose agent has its port open is waited for; one that has no agent is not, once it has run for so long, ms. */
const nobodyMs = 3_000;

/** What a guest is told of the host it is on, asked anew at each greeting. */
export type HostNow = () => { epoch: number; host: HostDescription };

/**
 * A workspace's QEMU on this host with all that plugins need of it. Disposing lets go of it and leaves it
 * running; `end` ends it.
 */
export class RunningMachine implements VirtualMachine, AsyncDisposable {
  readonly name: string;
  readonly contract: MachineContract;
  readonly display: DisplayControl;
  readonly tap: string;
  readonly qemu: QmpProcess;
  /** Its files as QEMU names them. */
  readonly seen: RuntimeFiles;
  readonly link: AgentLink;
  guestAddresses: readonly string[];
  #answered = false;

  constructor(
    record: WorkspaceRecord,
    paths: WorkspacePaths,
    { qemu, seen }: { readonly qemu: QmpProcess; readonly seen: RuntimeFiles },
    hostNow: HostNow,
  ) {
    this.name = record.name;
    this.contract = record.contract;
    this.guestAddresses = record.guestAddresses;
    this.tap = tapName(record.name);
    this.qemu = qemu;
    this.seen = seen;
    this.display = displayControl(paths.run.displayBusSocket);
    this.link = new AgentLink(paths.run.agentSocket, hostNow);
  }

  get qmp(): Qmp {
    return this.qemu.qmp;
  }

  /** Present once it has answered on this host: one that falls silent later is asked, and times out. */
  get agent(): GuestAgent | undefined {
    if (this.link.state.state === 'open') this.#answered = true;
    return this.#answered ? this.link : undefined;
  }

  /**
   * Waits for the guest's answer to the greeting, at most `limitMs`, and less where nobody in the guest listens. Undefined
   * with the reason when there is none.
   */
  async awaitAgent(limitMs: number, signal: AbortSignal): Promise<{ why: string | undefined }> {
    const enough = new AbortController();
    const limit = AbortSignal.any([signal, enough.signal, AbortSignal.timeout(limitMs)]);
    const timer = setTimeout(() => {
      isPortOpen(this.qmp, 'agent', limit).then(
        (isOpen) => isOpen || enough.abort(),
        () => undefined, // then the limit decides
      );
    }, nobodyMs);
    try {
      await this.link.ready(limit);
      this.#answered = true;
      return { why: undefined };
    } catch (error) {
      signal.throwIfAborted();
      return { why: (error as Error).message };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends QEMU. The guest is not asked: who ends it knows that its state is elsewhere, or is not wanted. */
  async end(signal: AbortSignal): Promise<void> {
    await this.link[Symbol.asyncDispose]();
    await this.qemu.quit(signal);
  }

  /** Ends a QEMU whose VM never ran, at once. */
  async kill(signal: AbortSignal): Promise<void> {
    await this.link[Symbol.asyncDispose]();
    await this.qemu.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.link[Symbol.asyncDispose]();
    await this.qemu[Symbol.asyncDispose]();
  }
}
