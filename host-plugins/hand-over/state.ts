import type { Epoch, HandOverMessage } from '../../protocol/hand-over-messages.ts';
import type { Position, PositionAt } from './position.ts';

/** Run state of the QEMU process of this workspace on this device, from query-status. */
export type VmState =
  | 'running'
  /** `paused`: loaded and never run, or stopped by a person. */
  | 'paused'
  /** `inmigrate`: waits for, or receives, an incoming state. */
  | 'inmigrate'
  /** `finish-migrate`: an outgoing migration has stopped it (pre-switchover). */
  | 'stopping'
  /** `postmigrate`: all state was sent; only `cont` makes it run again. */
  | 'postmigrate'
  /** There is no process. */
  | 'gone';

/**
 * What the disk's server knows of writes since the VM was stopped for this hand-over. `unknown` wherever the disk
 * is not served by this device, or its server has not been up all that time.
 */
export type DiskEvidence = 'untouched' | 'written' | 'unknown';

/** A durable position, and what is known until the next crash. */
export type State =
  | AwayState
  | AcceptingState
  | StartingState
  | LostState
  | OwnerState
  | OfferingState
  | ReleasedState
  | SuspendedState
  | WakingState;

export interface AwayState {
  readonly position: PositionAt<'away'>;
  /** The device whose next offer is welcome. */
  readonly expecting?: string;
  readonly forcing?: true;
}

export interface AcceptingState {
  readonly position: PositionAt<'accepting'>;
  readonly loaded?: true;
  /** Why it must become void, which could not be journaled yet. */
  readonly voiding?: string;
  readonly forcing?: true;
}

export interface StartingState {
  readonly position: PositionAt<'starting'>;
  /** The first `cont` did not go through, provably before any instruction: it must become void. */
  readonly voiding?: string;
  /** The guest runs, which could not be journaled yet. */
  readonly running?: true;
  /** Our QEMU is gone; it waits for the disk's evidence. */
  readonly inspecting?: true;
}

export interface LostState {
  readonly position: PositionAt<'lost'>;
  readonly forcing?: true;
}

export interface OwnerState {
  readonly position: PositionAt<'owner'>;
  /** It could not be made to run; tried again. */
  readonly halted?: true;
  /** Its memory is being written to an image; `switched`: our QEMU has completed, and cannot run again by itself. */
  readonly saving?: 'writing' | 'switched';
  /** Our QEMU died after it had completed. */
  readonly gone?: true;
}

export interface OfferingState {
  readonly position: PositionAt<'offering'>;
  readonly accepted?: true;
  /** The target has loaded all state. */
  readonly ready?: true;
  /** Our QEMU has completed: without a `cont` from us it cannot run again. */
  readonly switched?: true;
  /** Our QEMU died after it had completed. */
  readonly gone?: true;
}

export interface ReleasedState {
  readonly position: PositionAt<'released'>;
  /** Whether our paused QEMU is still there. */
  readonly kept: boolean;
  readonly inspecting?: 'lost' | 'force';
}

export interface SuspendedState {
  readonly position: PositionAt<'suspended'>;
  readonly forcing?: true;
}

export interface WakingState {
  readonly position: PositionAt<'waking'>;
  /** The first `cont` did not go through, provably before any instruction: it must be suspended again. */
  readonly voiding?: string;
  /** The guest runs, which could not be journaled yet. */
  readonly running?: true;
  /** Our QEMU is gone; it waits for the disk's evidence. */
  readonly inspecting?: true;
}

export type Input =
  /** The daemon's wish: give the VM to this device. */
  | { readonly in: 'offer'; readonly peer: string }
  /** The next offer of this device is welcome (undefined: nobody's is). */
  | { readonly in: 'expect'; readonly peer: string | undefined }
  | { readonly in: 'cancel'; readonly reason: string }
  /** The daemon's wish: from now on our QEMU may stop to have its memory written to an image. */
  | { readonly in: 'save' }
  /** The image was not finished; the VM shall run. */
  | { readonly in: 'save-failed'; readonly reason: string }
  /** After `vm-switched`: the image is durable, has all of the VM, and was read back. */
  | { readonly in: 'image-whole'; readonly image: string }
  /** A person says that the other device is lost. */
  | { readonly in: 'force' }
  | { readonly in: 'message'; readonly from: string; readonly message: Say }
  /** Time to say it again to who has not answered. */
  | { readonly in: 'retry' }
  /** A connection to this device is there. */
  | { readonly in: 'link-up'; readonly peer: string }
  /** Source: the migration stands at pre-switchover; the VM is stopped, its disk is quiet. */
  | { readonly in: 'vm-stopped' }
  /** Source: QEMU says completed and postmigrate. */
  | { readonly in: 'vm-switched' }
  /** Source: QEMU says failed or cancelled; it may have made the VM run again by itself. */
  | { readonly in: 'migration-failed'; readonly reason: string }
  /** Target, or suspended: the incoming state is complete, the VM is paused. */
  | { readonly in: 'vm-loaded' }
  | { readonly in: 'vm-gone' }
  | { readonly in: 'resumed' }
  /** `executed`: `no` only when QEMU provably never got, or refused, the command. */
  | { readonly in: 'resume-failed'; readonly executed: 'no' | 'unknown'; readonly reason: string }
  | { readonly in: 'disk-inspected'; readonly disk: DiskEvidence }
  /** A commit failed; the state is the one before it. */
  | { readonly in: 'journal-failed'; readonly position: Position; readonly reason: string };

export type Effect =
  /** Durable before anything after it; when it fails the step has not happened, and `journal-failed` follows. */
  | { readonly do: 'commit'; readonly position: Position; readonly why: string }
  /** The same, where going on without it is safe. */
  | { readonly do: 'record'; readonly position: Position; readonly why: string }
  | { readonly do: 'send'; readonly to: string; readonly message: Say }
  | { readonly do: 'continue-migration'; readonly epoch: Epoch }
  /** Cancels a migration that is under way and makes the VM run; answered by `resumed` or `resume-failed`. */
  | { readonly do: 'resume' }
  /** Ends this device's QEMU; good when there is none. */
  | { readonly do: 'quit' }
  /** This device owns the VM and its QEMU is gone with the memory: the disk is as after a power cut. */
  | { readonly do: 'power-cut' }
  /** Cuts every other device off the disk, if it is served here; answered by `disk-inspected`. */
  | { readonly do: 'inspect-disk'; readonly epoch: Epoch }
  | { readonly do: 'emit'; readonly event: HandOverEvent };

type WithoutWorkspace<M> = M extends unknown ? Omit<M, 'workspace'> : never;
/** A message before the driver puts the workspace's name on it. */
export type Say = WithoutWorkspace<HandOverMessage>;

export type HandOverEvent =
  | { readonly kind: 'offered'; readonly epoch: Epoch; readonly peer: string }
  /** Source: the target has accepted; the migration may start. */
  | { readonly kind: 'accepted'; readonly epoch: Epoch; readonly peer: string }
  /** Target: start QEMU for the incoming VM. */
  | { readonly kind: 'accepting'; readonly epoch: Epoch; readonly peer: string }
  | { readonly kind: 'ready'; readonly epoch: Epoch }
  | { readonly kind: 'released'; readonly epoch: Epoch }
  /** Source: the target runs it, the copy here was ended; the hand-over is done. */
  | { readonly kind: 'settled'; readonly epoch: Epoch }
  /** Source: the VM is this device's as before. */
  | { readonly kind: 'withdrawn'; readonly epoch: Epoch; readonly reason: string }
  | { readonly kind: 'taken-back'; readonly epoch: Epoch; readonly reason: string }
  /** Target: this epoch will not run here. */
  | { readonly kind: 'voided'; readonly epoch: Epoch; readonly reason: string }
  /** Target: owns it, is about to run it. */
  | { readonly kind: 'starting'; readonly epoch: Epoch }
  | { readonly kind: 'running'; readonly epoch: Epoch }
  | { readonly kind: 'lost'; readonly epoch: Epoch }
  | { readonly kind: 'power-cut'; readonly epoch: Epoch }
  | { readonly kind: 'forced'; readonly epoch: Epoch; readonly memory: 'kept' | 'dropped' }
  /** Its memory is in the image, the copy here was ended. */
  | { readonly kind: 'suspended'; readonly epoch: Epoch; readonly image: string }
  /** Another device owns a newer epoch; the copy here was ended. */
  | { readonly kind: 'superseded'; readonly epoch: Epoch }
  /** What was asked cannot be done where things stand. */
  | {
      readonly kind: 'rejected';
      readonly what: 'offer' | 'cancel' | 'force' | 'save' | 'wake';
      readonly reason: string;
    }
  | { readonly kind: 'warning'; readonly text: string };

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

/** Who this device is, and whose claims count besides the peer's. */
export interface HandOverSettings {
  readonly self: string;
  /** The workspace's home device, which serves its disk. */
  readonly home: string;
}

export const commit = (position: Position, why: string): Effect => ({ do: 'commit', position, why });
export const record = (position: Position, why: string): Effect => ({ do: 'record', position, why });
export const send = (to: string | undefined, message: Say): Effect[] =>
  to === undefined ? [] : [{ do: 'send', to, message }];
export const emit = (event: HandOverEvent): Effect => ({ do: 'emit', event });
export const stay = (state: State, ...effects: Effect[]): Step => ({ state, effects });
