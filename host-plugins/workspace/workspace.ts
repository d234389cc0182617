import { mkdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { z } from 'zod';
import type { HostDescription } from '../../protocol/agent-channel.ts';
import type { AnchorStatus, WorkspaceStatus } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { GuestState } from '../../protocol/guest-state.ts';
import type { GuestSummary, Shortfall } from '../../protocol/outcome.ts';
import type { peerMethods } from '../../protocol/peer-methods.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { TrustLevel } from '../../protocol/trust-level.ts';
import type { WorkspaceRecord } from '../../protocol/workspace.ts';
import type { HandOverDriver } from '../hand-over/hand-over-driver.ts';
import { mayRun, type Position, peerOf } from '../hand-over/position.ts';
import type { DiskEvidence } from '../hand-over/state.ts';
import type { KeptWorkspace } from '../pages/kept/kept-memory.ts';
import type { KnownPages } from '../pages/known-pages.ts';
import type { Accelerator } from '../qemu/choose-accelerator.ts';
import type { HostNetwork } from '../system/network/host-network.ts';
import type { Channels } from '../tunnel/channels.ts';
import { compareDisk, markDisk } from './disk-mark.ts';
import { type HomeDisk, openDiskAtHome, openDiskAway } from './home-disk.ts';
import { KeptRecord } from './kept-record.ts';
import { MachineKeeper } from './machine-keeper.ts';
import { channelNames, tapName, type WorkspacePaths } from './paths.ts';
import type { RunningMachine } from './running-machine.ts';
import type { WorkspaceStore } from './workspace-store.ts';

type Receive = z.output<(typeof peerMethods)['receive']['params']>;

/** So much of an image's id is shown to people. */
export const shownImageIdLength = 12;

/** Where the disk is for nobody else. */
const aloneAt: ReadonlySet<Position['at']> = new Set(['owner', 'starting', 'lost', 'suspended', 'waking']);

/** What every workspace of a device shares. */
export interface WorkspaceSurroundings {
  readonly self: { readonly id: string; readonly host: HostDescription };
  readonly store: WorkspaceStore;
  readonly channels: Channels;
  readonly network: HostNetwork;
  readonly pages: KnownPages;
  /** Looked up at each start: the user may have enabled KVM meanwhile. */
  readonly accelerator: () => Promise<Accelerator>;
  readonly log: Logger;
  /** The user's name of a device. */
  readonly nameOf: (deviceId: string) => string;
  /** How far its user trusts a device; undefined for one that is not paired. */
  readonly trustOf: (deviceId: string) => TrustLevel | undefined;
}

/** What is done with a workspace now; one thing at a time. */
export type Activity =
  | { readonly kind: 'idle' }
  | { readonly kind: 'starting' | 'stopping' | 'adapting' }
  | { readonly kind: 'trip'; readonly what: string; readonly cancel: (reason: DockError) => void };

/** What the hand-over asks of a migration that is under way from here (pipeline/departure.ts). */
export interface OutgoingSide {
  /** Sends the last state, and reports the result to the hand-over. */
  finish(): Promise<void>;
  cancelMigration(signal: AbortSignal): Promise<void>;
}

/** What belongs to a VM that is expected or on its way here (pipeline/arrival.ts). */
export interface IncomingSide {
  readonly epoch: number;
  readonly source: string;
  readonly guest: GuestState | undefined;
  /** Aborts when it is no longer waited for: the VM runs here, or does not come. */
  readonly over: AbortSignal;
  receive(params: Receive, signal: AbortSignal): Promise<void>;
  drop(signal: AbortSignal): Promise<void>;
  close(): void;
}

/** What this host has laid for a VM before it runs here (pipeline/readiness.ts). */
export interface HostReadiness {
  readonly epoch: number;
  readonly steps: readonly PlanStep[];
  /** With its state here and the VM paused; done once, whoever asks. */
  show(): Promise<void>;
  /** As it is let run; does not wait. */
  announce(): void;
  /** What could not be done so far; waits for what is under way. */
  shortfalls(): Promise<readonly Shortfall[]>;
}

/** The adapting of a guest to this host (pipeline/adaptation.ts). */
export interface GuestAdaptation {
  readonly epoch: number;
  readonly underWay: boolean;
  /** Resolves when it is not any more, however it ended. */
  readonly ended: Promise<void>;
  stop(reason: unknown): Promise<void>;
}

/**
 * A workspace as this device has it: its record, its hand-over, its disk and, while it is here, its machine. Who may
 * run it is the hand-over's to say; nothing here decides that.
 */
export class Workspace implements AsyncDisposable {
  readonly paths: WorkspacePaths;
  readonly keeper: MachineKeeper;
  readonly surroundings: WorkspaceSurroundings;
  activity: Activity = { kind: 'idle' };
  /** Resolves when nothing is done with it any more, however that ended. */
  idle: Promise<void> = Promise.resolve();
  /** The migration that is under way from here. */
  departure: OutgoingSide | undefined;
  /** Pages that are being sent ahead; `stop` returns when that is over. */
  warmUp: { stop(why: DockError): Promise<void> } | undefined;
  /** A VM that is expected or on its way here. */
  arrival: IncomingSide | undefined;
  /** What was laid for the VM that comes, until its adapting takes it over. */
  readiness: Promise<HostReadiness> | undefined;
  /** The adapting of the guest to this host, under way or done. */
  adaptation: GuestAdaptation | undefined;
  /** Addresses of another LAN that are kept alive for the guest, from here or to here (pipeline/anchors.ts). */
  anchor: { readonly status: AnchorStatus } | undefined;
  /** The guest as it was last read here. */
  guest: GuestSummary | undefined;
  /** Set right after construction: the hand-over acts on this workspace. */
  handOver!: HandOverDriver;
  readonly #record: KeptRecord;
  #disk: HomeDisk | undefined;
  /** The end of what served it before. */
  #closing: Promise<void> = Promise.resolve();
  #fence: Disposable | undefined;

  constructor(
    record: WorkspaceRecord,
    surroundings: WorkspaceSurroundings,
    onDeath: (poweredOff: boolean) => void,
  ) {
    this.#record = new KeptRecord(record, (changed) => surroundings.store.save(changed));
    this.surroundings = surroundings;
    this.paths = surroundings.store.paths(record.name);
    this.keeper = new MachineKeeper({
      record: () => this.record,
      paths: this.paths,
      network: surroundings.network,
      accelerator: surroundings.accelerator,
      hostNow: () => ({ epoch: this.epoch, host: surroundings.self.host }),
      log: surroundings.log,
      onDeath,
    });
  }

  get name(): string {
    return this.record.name;
  }

  get tap(): string {
    return tapName(this.name);
  }

  /** As those know it who keep its memory. */
  get keptMemory(): KeptWorkspace {
    return { name: this.name, uuid: this.record.contract.uuid, folder: this.paths.keptMemory };
  }

  /** Whether memory of it may be kept, here and there, for moves between this device and that one. */
  mayKeepMemory(peer: string): boolean {
    const { trustOf } = this.surroundings;
    return this.record.keepNothing !== true && trustOf(peer) !== undefined && trustOf(peer) !== 'kiosk';
  }

  get isHome(): boolean {
    return this.record.homeDevice === this.surroundings.self.id;
  }

  get machine(): RunningMachine | undefined {
    return this.keeper.machine;
  }

  /** Of the VM that this device owns, or last knew of. */
  get epoch(): number {
    const { position } = this.handOver.state;
    return position.at === 'offering' || position.at === 'released' ? position.owned : this.highestEpoch;
  }

  get highestEpoch(): number {
    const { position } = this.handOver.state;
    if (position.at === 'away') return position.granted;
    return position.epoch;
  }

  get isOwner(): boolean {
    return mayRun(this.handOver.state.position);
  }

  /** At home, and while no copy runs: remembers what the disk looks like, to tell later whether one has run. */
  async markDisk(epoch: number): Promise<void> {
    if (this.isHome) await markDisk(this.record.disk.path, this.paths.diskMark, epoch);
  }

  /** Cuts other devices off the disk and says whether it was written in this epoch. Away from home: `unknown`. */
  async inspectDisk(epoch: number): Promise<DiskEvidence> {
    if (!this.isHome) return 'unknown';
    const { peer } = this.handOver.state.position;
    // Held until the hand-over has gone on from here: a write after the look would make the answer a lie.
    this.#fence?.[Symbol.dispose]();
    this.#fence =
      peer === undefined ? undefined : this.surroundings.channels.fence(peer, channelNames.disk(this.name));
    return compareDisk(this.record.disk.path, this.paths.diskMark, epoch);
  }

  /** Other devices may come to the disk again, where `isConcernOf` lets them. */
  liftFence(): void {
    this.#fence?.[Symbol.dispose]();
    this.#fence = undefined;
  }

  get record(): WorkspaceRecord {
    return this.#record.value;
  }

  async save(change: Partial<WorkspaceRecord>): Promise<void> {
    await this.change((record) => ({ ...record, ...change }));
  }

  /** @param how is given the record as the change before this one left it */
  async change(how: (record: WorkspaceRecord) => WorkspaceRecord): Promise<void> {
    await this.#record.change(how);
  }

  /** The disk is reachable on its socket when this returns. Idempotent. */
  async openDisk(signal: AbortSignal): Promise<void> {
    await this.#closing;
    await mkdir(this.paths.run.folder, { recursive: true, mode: 0o700 });
    const { channels, log } = this.surroundings;
    this.#disk ??= this.isHome
      ? await openDiskAtHome(this.record, this.paths, channels, (device) => this.isConcernOf(device), signal)
      : await openDiskAway(this.record, this.paths, channels, (error) =>
          log.warn({ workspace: this.name, why: error.message }, 'the way to the home disk'),
        );
  }

  /** After QEMU has ended here, and at home only when it runs nowhere else. */
  async closeDisk(signal: AbortSignal): Promise<void> {
    const disk = this.#disk;
    this.#disk = undefined;
    const closing = (async () => {
      await this.#closing;
      await disk?.end(signal);
    })();
    this.#closing = closing.catch(() => undefined); // its caller sees the error
    await closing;
  }

  /** Does one thing at a time: `conflict` when something else is being done. */
  async exclusively<T>(activity: Exclude<Activity, { kind: 'idle' }>, work: () => Promise<T>): Promise<T> {
    if (this.activity.kind !== 'idle') {
      const busy = this.activity.kind === 'trip' ? this.activity.what : this.activity.kind;
      throw new DockError(
        'conflict',
        `the workspace "${this.name}" is busy (${busy}); wait for it or cancel it`,
      );
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.activity = activity;
    this.idle = promise;
    try {
      return await work();
    } finally {
      this.activity = { kind: 'idle' };
      resolve();
    }
  }

  status(): WorkspaceStatus {
    const { position } = this.handOver.state;
    const elsewhere = peerOf(position);
    const { nameOf, self } = this.surroundings;
    const common = {
      name: this.name,
      homeDevice: this.record.homeDevice === self.id ? self.host.name : nameOf(this.record.homeDevice),
      epoch: this.epoch,
      ...(this.anchor === undefined ? {} : { anchor: this.anchor.status }),
    };
    const guest =
      this.guest === undefined || this.machine === undefined
        ? {}
        : {
            guest: {
              vcpus: this.guest.vcpus,
              memoryMiB: this.guest.memoryMiB,
              agentVersion: this.guest.agentVersion,
              ...(this.guest.display === null
                ? {}
                : {
                    display: `${this.guest.display.width}x${this.guest.display.height} at ${this.guest.display.scale}`,
                  }),
              network: [this.guest.network.mode ?? 'unknown', ...this.guest.network.addresses].join(' '),
            },
          };
    switch (position.at) {
      case 'owner':
      case 'waking':
      case 'starting': {
        if (this.machine === undefined) return { ...common, state: 'stopped' };
        const moving = this.activity.kind === 'trip';
        return { ...common, state: moving ? 'moving' : 'here', runsOn: self.host.name, ...guest };
      }
      case 'suspended':
        return { ...common, state: 'suspended', detail: `suspended ${this.#imageWords(position.image)}` };
      case 'offering':
        if (position.image !== undefined) {
          const detail = `"${nameOf(position.peer)}" resumes it; it was suspended ${this.#imageWords(position.image)}`;
          return { ...common, state: 'moving', detail };
        }
        return { ...common, state: 'moving', runsOn: self.host.name, ...guest };
      case 'accepting':
        return { ...common, state: 'moving', runsOn: nameOf(position.peer) };
      case 'away':
        return {
          ...common,
          state: 'away',
          ...(elsewhere === undefined ? {} : { runsOn: nameOf(elsewhere) }),
        };
      case 'released':
        return {
          ...common,
          state: 'moving',
          detail: `handed to "${nameOf(position.peer)}", whose word that it runs there has not come yet`,
        };
      case 'lost':
        return {
          ...common,
          state: 'stuck',
          detail:
            `it was lost here right after its move; "${nameOf(position.peer)}" has to answer before it starts again. ` +
            'If that device is gone for good: wdock workspace force-owner',
        };
    }
  }

  /** `in DIR (0123456789ab) since TIME`, as far as the record knows. */
  #imageWords(image: string): string {
    const { suspended } = this.record;
    const id = image.slice(0, shownImageIdLength);
    if (suspended?.image !== image) return `in the image ${id}`;
    return `in ${suspended.directory} (${id}) since ${new Date(suspended.at).toISOString()}`;
  }

  /** The image that it is in; undefined where it runs, or is another device's. */
  get image(): string | undefined {
    const { position } = this.handOver.state;
    return position.at === 'suspended' || (position.at === 'offering' && position.image !== undefined)
      ? position.image
      : undefined;
  }

  /** At home, of a VM that is suspended and runs nowhere: its disk is closed, and what it looks like is remembered. */
  async restSuspended(signal: AbortSignal): Promise<void> {
    const { position } = this.handOver.state;
    if (position.at !== 'suspended') return;
    this.guest = undefined;
    await this.closeDisk(signal);
    await this.markDisk(position.epoch);
  }

  /** After the VM has gone elsewhere: a visitor's way to its disk is closed; at home the disk is served on. */
  async settle(signal: AbortSignal): Promise<void> {
    this.guest = undefined;
    if (!this.isHome) await this.closeDisk(signal);
  }

  /**
   * Nothing of a visitor is kept, and it has left: its journal has said its last word. One that was given up before it
   * came stays known, for its source may still ask about that (docs/hand-over.md).
   */
  get isOver(): boolean {
    const { position } = this.handOver.state;
    const left = position.at === 'away' && position.voided <= position.granted;
    return this.record.keepNothing === true && !this.isHome && left && this.machine === undefined;
  }

  /** Lets go of everything and leaves QEMU and its disk running. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.keeper[Symbol.asyncDispose]();
    await this.#disk?.[Symbol.asyncDispose]();
    this.#disk = undefined;
  }

  /**
   * Whether this is the device that has the VM, gets it or brings it: it may use the disk, and carry the guest's traffic.
   * An owner shares these with nobody but a target in preparation.
   */
  isConcernOf(deviceId: string): boolean {
    if (this.expected === deviceId) return true;
    const { position } = this.handOver.state;
    const alone = aloneAt.has(position.at);
    return !alone && peerOf(position) === deviceId;
  }

  /** The device that a move to or from is being prepared with; it opens the disk before the hand-over begins. */
  expected: string | undefined;
}
