import type { DockError } from '../../protocol/dock-error.ts';

/** A workspace that this device has to do with, as far as its triggers ask. */
export interface WorkspacePlace {
  readonly name: string;
  /** Id of its home device. */
  readonly home: string;
  /** Its policy file, where it has one. */
  readonly policy: string | undefined;
  /** `at`: the device that it runs on; `none`: it runs nowhere, or nobody knows. */
  readonly where: { readonly at: string } | 'moving' | 'none';
}

/** The workspaces and their trips, as the pipeline has them: the same calls as those of wdock. */
export interface WorkspacePlaces {
  list(): readonly WorkspacePlace[];
  /** Resolves when it is docked; an abort undoes it up to the hand-over. Throws as `wdock dock` fails. */
  dock(workspace: string, deviceId: string, signal: AbortSignal): Promise<void>;
  /** The same for the way home. */
  undock(workspace: string, signal: AbortSignal): Promise<void>;
  /**
   * Ends the trip, whoever began it, that takes the workspace from this device, up to its hand-over. Resolves when that trip
   * is over, with true where the workspace stays here; with false where none takes it from here.
   */
  keep(workspace: string, reason: DockError): Promise<boolean>;
}
