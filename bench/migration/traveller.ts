import type { PageJourney } from '../../protocol/page-exchange.ts';
import type { LabNetwork } from '../../test/lab/network/lab-network.ts';

export type Place = 'mid' | 'pc';

/** What a system says of its own trip. */
export interface OwnFigures {
  readonly totalMs: number;
  readonly moveMs: number;
  readonly downtimeMs: number | null;
  readonly ownBytes: number;
  readonly stages: readonly { readonly name: string; readonly ms: number }[];
  /** How the guest's pages went; null where the system does not tell. */
  readonly pages: PageJourney | null;
}

/** The processes of a system on one device. */
export interface SystemProcesses {
  readonly qemu: number | undefined;
  readonly wdockd: number | undefined;
}

/** The lab's guest, and one of the systems that are compared, which moves it between the two devices. */
export interface Traveller extends AsyncDisposable {
  readonly network: LabNetwork;
  /** The guest's address on the LAN. */
  readonly address: string;
  /**
   * Moves it, and returns when all is done that belongs to it. `onRunning` is called once, in the moment in which the VM
   * runs at the other end.
   */
  move(to: Place, onRunning: () => void, signal: AbortSignal): Promise<OwnFigures>;
  /** Sends the guest's memory ahead to the PC while it runs on the MID, where the system can. */
  warmUp?(signal: AbortSignal): Promise<void>;
  /** Which of them run now. */
  processes(place: Place): SystemProcesses;
}
