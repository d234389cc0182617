import { DockError } from '../../protocol/dock-error.ts';
import type { LanChange } from '../../protocol/host-profile.ts';
import type { Shortfall } from '../../protocol/outcome.ts';
import type { ResumeOutcome } from '../../protocol/suspension.ts';
import type { TrustLevel } from '../../protocol/trust-level.ts';
import type { WorkspaceRecord } from '../../protocol/workspace.ts';
import type { CpuModels } from '../cpu-model/cpu-models.ts';
import type { Peers } from '../daemon/handlers.ts';
import type { HandOverEvent } from '../hand-over/state.ts';
import { requireQemu } from '../qemu/check-qemu.ts';
import type { SuspendedMachine } from '../suspend/image-head.ts';
import type { KeyHolder } from '../suspend/image-key.ts';
import { type FoundImage, SuspendedFolder } from '../suspend/suspended-folder.ts';
import { writeFileDurably } from '../system/process/write-file-durably.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { type AdaptSurroundings, prepareToRun } from './adapt-workspace.ts';
import type { Adaptation } from './adaptation.ts';
import type { Anchors } from './anchors.ts';
import { Arrival } from './arrival.ts';
import { imageBringer } from './bring-image.ts';
import { type ChooserSettings, chooseHere } from './choose.ts';
import { openRestingDisk, requireImage } from './claim-image.ts';
import { cpuShape } from './cpu-shapes.ts';
import { decideLanChange } from './lan-change.ts';
import { type Clock, type Emit, type Say, StageClock } from './stage-clock.ts';
import { summarizeGuest } from './summarize-guest.ts';
import type { Workspaces } from './workspaces.ts';

export interface ResumeParts {
  readonly self: KeyHolder;
  readonly workspaces: Workspaces;
  readonly peers: Peers;
  readonly trustOf: (deviceId: string) => TrustLevel | undefined;
  readonly chooser: ChooserSettings;
  readonly adapting: AdaptSurroundings;
  readonly anchors: Anchors;
  readonly cpuModels: Pick<CpuModels, 'requireHere'>;
  readonly requireRoom: (contract: SuspendedMachine['contract']) => Promise<void>;
  readonly clock: Clock;
}

export interface ResumeRequest {
  readonly directory: string;
  readonly workspace: string | undefined;
  readonly emit: Emit;
}

/** The home device's answer, ms; it may have to start what serves the disk. */
const claimLimitMs = 60_000;
/** Starting QEMU, ms. */
const startLimitMs = 60_000;
const undoLimitMs = 30_000;

/**
 * Lets a suspended VM go on here, from a directory. Its home device gives it away once and to one device only; away from
 * home it has to be reached, for it has the disk. Up to the word of the hand-over whatever fails leaves it suspended.
 */
export async function resumeWorkspace(
  request: ResumeRequest,
  parts: ResumeParts,
  signal: AbortSignal,
): Promise<ResumeOutcome> {
  await using folder = await SuspendedFolder.open(request.directory, request.workspace);
  const image = await folder.find(parts.self);
  const { machine } = image.head;
  const workspace = await welcome(parts, machine);
  const what = `resume from ${request.directory}`;
  const cancelled = new AbortController();
  const either = AbortSignal.any([signal, cancelled.signal]);
  return await workspace.exclusively(
    { kind: 'trip', what, cancel: (reason) => cancelled.abort(reason) },
    async () => await new Resumption(workspace, image, folder, request, parts, either).run(),
  );
}

/** The workspace as this device knows it, or gets to know it now. Throws `untrusted` for one of a device that is not the user's. */
async function welcome(parts: ResumeParts, machine: SuspendedMachine): Promise<Workspace> {
  const { workspaces, trustOf, self } = parts;
  const { homeDevice, contract, workspace: name, guestAddresses } = machine;
  workspaces.requireReadable(name);
  if (homeDevice === self.id) return workspaces.get(name);
  if (trustOf(homeDevice) !== 'owned') {
    throw new DockError(
      'untrusted',
      `"${name}" is at home on a device that is not trusted as owned here; if it is yours: wdock devices trust`,
    );
  }
  const record: WorkspaceRecord = {
    format: 1,
    name,
    homeDevice,
    contract,
    wanted: 'running',
    disk: { path: '', format: 'raw' },
    guestAddresses,
  };
  const workspace = await workspaces.welcome(record);
  if (workspace.record.homeDevice !== homeDevice) {
    throw new DockError('conflict', `"${name}" has another home device here`);
  }
  return workspace;
}

class Resumption {
  readonly #workspace: Workspace;
  readonly #image: FoundImage;
  readonly #folder: SuspendedFolder;
  readonly #request: ResumeRequest;
  readonly #parts: ResumeParts;
  readonly #signal: AbortSignal;
  readonly #stages: StageClock;

  constructor(
    workspace: Workspace,
    image: FoundImage,
    folder: SuspendedFolder,
    request: ResumeRequest,
    parts: ResumeParts,
    signal: AbortSignal,
  ) {
    this.#workspace = workspace;
    this.#image = image;
    this.#folder = folder;
    this.#request = request;
    this.#parts = parts;
    this.#signal = signal;
    this.#stages = new StageClock(request.emit, parts.clock);
  }

  async run(): Promise<ResumeOutcome> {
    const { clock } = this.#parts;
    const { surroundings, name } = this.#workspace;
    const { self } = surroundings;
    const { machine, stream, recipe, chunks } = this.#image.head;
    const begin = clock.monotonic();
    const stages = this.#stages;
    const lan = await stages.run('choose', () => this.#choose());
    const arrival = await stages.run('prepare', () => this.#prepare());
    try {
      await stages.run('transfer', (say) => this.#load(arrival, lan.lanChange, lan.guestAddresses, say));
    } catch (error) {
      throw await this.#giveUp(arrival, error);
    }
    const adaptation = this.#workspace.adaptation as Adaptation | undefined;
    if (adaptation === undefined) throw new DockError('internal', `"${name}" runs and is not adapted`);
    using _listening = adaptation.listen(this.#request.emit);
    const adapted = await adaptation.result;
    return {
      workspace: name,
      directory: this.#request.directory,
      image: this.#image.id,
      from: machine.device.name,
      suspendedAt: machine.at,
      to: self.host.name,
      simulated: self.host.simulated,
      epoch: adaptation.epoch,
      totalMs: Math.round(clock.monotonic() - begin),
      adaptMs: adapted.adaptMs,
      streamBytes: stream.bytes,
      imageBytes: [...recipe, ...chunks].reduce((sum, { bytes }) => sum + bytes, 0),
      stages: [...stages.times, ...adapted.stages],
      guest: {
        before: machine.guest === undefined ? null : summarizeGuest(machine.guest),
        after: adapted.after,
      },
      shortfalls: [
        ...lan.shortfalls,
        ...adapted.shortfalls,
        ...this.#parts.anchors.shortfalls(this.#workspace),
      ],
    };
  }

  /** What it gets here; refused here, with numbers, where it cannot run. */
  async #choose(): Promise<{
    lanChange: LanChange | undefined;
    guestAddresses: string[];
    shortfalls: Shortfall[];
  }> {
    const { chooser, cpuModels, requireRoom } = this.#parts;
    const workspace = this.#workspace;
    const { machine } = this.#image.head;
    const { contract, filling } = machine;
    await requireQemu(this.#signal);
    await cpuModels.requireHere(cpuShape(workspace.name, contract), this.#signal);
    await requireRoom(contract);
    const { allocation, profile } = await chooseHere(chooser, contract, machine.policy, this.#signal);
    const neededMiB = contract.baseMemoryMiB + filling.requestedPluggedMemoryMiB;
    if (neededMiB > profile.memory.totalMiB) {
      throw new DockError(
        'does-not-fit',
        `"${workspace.name}" has ${neededMiB} MiB of memory in this image, and this device has ${profile.memory.totalMiB} MiB in all; ` +
          'resume it where it fits, and suspend it smaller',
        { detail: { neededMiB, totalMiB: profile.memory.totalMiB } },
      );
    }
    if (!workspace.isHome && machine.policy !== undefined) {
      await writeFileDurably(workspace.paths.policy, machine.policy.text);
      await workspace.save({ policy: workspace.paths.policy });
    }
    await workspace.save({
      allocation,
      contract: { ...workspace.record.contract, cpuModel: contract.cpuModel },
    });
    const { self } = workspace.surroundings;
    const from = {
      ...machine.device,
      profile: { links: machine.network.links },
      network: machine.network.allocation,
    };
    const to = { id: self.id, name: self.host.name, profile, network: allocation.network };
    return decideLanChange({
      from,
      to,
      guestAddresses: machine.guestAddresses,
      before: undefined,
      noAnchor: 'it was suspended meanwhile',
    });
  }

  /** The right to let it run, from its home; nothing of it runs yet. */
  async #prepare(): Promise<Arrival> {
    const { peers, adapting } = this.#parts;
    const workspace = this.#workspace;
    const { name, handOver, record } = workspace;
    const { id: image, head } = this.#image;
    // All of its memory comes from the image.
    const offered = await workspace.surroundings.pages.offer(workspace.keptMemory, undefined);
    const source = workspace.record.homeDevice;
    const arrivalAt = (epoch: number): Arrival =>
      new Arrival(workspace, { source, epoch, offered }, (at, laying) =>
        prepareToRun(workspace, at, adapting, laying),
      );
    if (workspace.isHome) {
      await requireImage(workspace, image);
      const epoch = handOver.nextEpoch;
      await openRestingDisk(workspace, epoch, this.#signal);
      workspace.arrival = arrivalAt(epoch);
      return workspace.arrival as Arrival;
    }
    if (handOver.state.position.at !== 'away') {
      throw new DockError(
        'conflict',
        workspace.isOwner
          ? `"${name}" is this device's already, so this image of it is of no use any more`
          : `a hand-over of "${name}" with this device is under way; wait for it (wdock status)`,
      );
    }
    await workspace.arrival?.drop(this.#signal);
    await handOver.input({ in: 'expect', peer: record.homeDevice });
    const accepting = this.#until((event) => event.kind === 'accepting', claimLimitMs);
    try {
      const { epoch } = await peers.call(
        record.homeDevice,
        'claim',
        { workspace: head.machine.workspace, image },
        { signal: AbortSignal.any([this.#signal, AbortSignal.timeout(claimLimitMs)]) },
      );
      workspace.arrival = arrivalAt(epoch);
      await accepting;
      return workspace.arrival as Arrival;
    } catch (error) {
      await handOver.input({ in: 'expect', peer: undefined });
      await this.#giveUpClaim();
      throw this.#homeGone(error);
    }
  }

  async #load(
    arrival: Arrival,
    lanChange: LanChange | undefined,
    guestAddresses: readonly string[],
    say: Say,
  ): Promise<void> {
    const { anchors } = this.#parts;
    const workspace = this.#workspace;
    const { machine } = this.#image.head;
    const recalled = await anchors.arriving(workspace, lanChange, this.#signal);
    const damaged = (error: DockError): DockError =>
      error.kind === 'untrusted' || error.kind === 'protocol'
        ? this.#folder.damaged(error.message, error)
        : error;
    const bringer = imageBringer(this.#image, damaged, say);
    const ended = this.#until(isEnd, 24 * 60 * 60_000);
    await arrival.receive(
      {
        workspace: workspace.name,
        epoch: arrival.epoch,
        filling: machine.filling,
        pages: [],
        guestAddresses: recalled.length === 0 ? [...guestAddresses] : [...recalled],
        ...(machine.guest === undefined ? {} : { guest: machine.guest }),
      },
      AbortSignal.any([this.#signal, AbortSignal.timeout(startLimitMs)]),
      bringer.bring,
    );
    const lost = arrival.lost.then((error) => {
      throw bringer.error ?? error;
    });
    const end = await Promise.race([ended, lost]);
    if (end.kind !== 'running')
      throw new DockError('conflict', `it does not run here: ${'reason' in end ? end.reason : end.kind}`);
  }

  /** Takes back what was begun, where it can be, and returns what is to be thrown. */
  async #giveUp(arrival: Arrival, error: unknown): Promise<DockError> {
    const { anchors } = this.#parts;
    const { name, handOver } = this.#workspace;
    const cause = this.#signal.aborted
      ? DockError.from(this.#signal.reason, 'cancelled')
      : DockError.from(error);
    const undo = AbortSignal.timeout(undoLimitMs);
    if (!this.#workspace.isHome) await this.#giveUpClaim();
    const { at } = handOver.state.position;
    if (at !== 'away' && at !== 'suspended') return cause; // it is this device's, or the hand-over goes on with it
    await arrival.drop(undo);
    this.#workspace.arrival = undefined;
    await anchors.abandoned(this.#workspace);
    await this.#workspace.restSuspended(undo);
    return new DockError(cause.kind, `"${name}" was not resumed and stays suspended: ${cause.message}`, {
      cause,
      ...(cause.detail === undefined ? {} : { detail: cause.detail }),
    });
  }

  /** Says to the home, durably, that it will not run here in this epoch; too late once it is this device's. */
  async #giveUpClaim(): Promise<void> {
    const { handOver } = this.#workspace;
    if (handOver.state.position.at === 'accepting')
      await handOver.input({ in: 'cancel', reason: 'it was not resumed here' });
  }

  #homeGone(thrown: unknown): DockError {
    const error = DockError.from(thrown);
    if (error.kind !== 'peer-gone' && error.kind !== 'timeout') return error;
    const { record, surroundings, name } = this.#workspace;
    const home = surroundings.nameOf(record.homeDevice);
    return new DockError(
      'peer-gone',
      `"${name}" needs its home device "${home}", which has its disk and gives it to one device only, and that does not answer; ` +
        `it stays suspended. Bring "${home}" into reach, or resume it there`,
      { cause: error },
    );
  }

  #until(wanted: (event: HandOverEvent) => boolean, limitMs: number): Promise<HandOverEvent> {
    return this.#workspace.handOver.until(
      wanted,
      AbortSignal.any([this.#signal, AbortSignal.timeout(limitMs)]),
    );
  }
}

function isEnd({ kind }: HandOverEvent): boolean {
  return (
    kind === 'running' ||
    kind === 'voided' ||
    kind === 'taken-back' ||
    kind === 'superseded' ||
    kind === 'lost' ||
    kind === 'power-cut' ||
    kind === 'rejected'
  );
}
