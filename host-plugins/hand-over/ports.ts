import type { Epoch, HandOverMessage } from '../../protocol/hand-over-messages.ts';
import type { Position } from './position.ts';
import type { DiskEvidence, VmState } from './state.ts';

/**
 * What the hand-over needs of the world. The driver calls these one at a time and in order, and handles nothing else
 * meanwhile: an implementation that awaits the driver's `input`, `receive` or `recover` waits for itself.
 */
export interface HandOverPorts {
  readonly peer: PeerPort;
  readonly vm: VmPort;
}

export interface PeerPort {
  /** Hands it to the connection to that device. Not awaited; a rejection is ignored: who gets no answer asks again. */
  send(to: string, message: HandOverMessage): Promise<void>;
}

/** This workspace's QEMU on this device. */
export interface VmPort {
  observe(signal: AbortSignal): Promise<VmState>;
  /**
   * Source, at pre-switchover: begins `migrate-continue`. Not awaited: what comes of it is told by the inputs
   * `vm-switched`, `migration-failed` or `vm-gone`; a rejection counts as `migration-failed`.
   */
  continueMigration(epoch: Epoch, signal: AbortSignal): Promise<void>;
  /**
   * Cancels an outgoing migration that is under way and makes the VM run; good when it runs already. Resolves when QEMU
   * says running. Throws `qemu-refused` only when QEMU answered with an error and no instruction can have run,
   * `qemu-gone` when the process is dead; after anything else the driver observes, and tries again.
   */
  resume(signal: AbortSignal): Promise<void>;
  /** Ends QEMU, by force where needed. Resolves when there is no process. Good when there is none. */
  quit(signal: AbortSignal): Promise<void>;
  /**
   * This device owns the VM, and its QEMU is gone with the memory. Starts it again from its disk, unless the guest
   * had powered off, a person had stopped it, or it was never started. Not awaited.
   */
  powerCut(signal: AbortSignal): Promise<void>;
  /**
   * Where this device serves the disk: cuts every other device off it, and says whether it was written since the
   * source's QEMU had stopped the VM for this epoch. `unknown` elsewhere, and wherever that is not certain.
   */
  inspectDisk(epoch: Epoch, signal: AbortSignal): Promise<DiskEvidence>;
}

export interface JournalPort {
  readonly position: Position;
  /** Whether anything was ever written to it. */
  readonly isEmpty: boolean;
  /** Entries for people, oldest first. */
  readonly entries: readonly { readonly at: number; readonly why: string }[];
  /** Durable when it returns. Throws when it is not and will not be; `detail.undetermined` when nobody can tell. */
  append(position: Position, why: string): Promise<void>;
}
