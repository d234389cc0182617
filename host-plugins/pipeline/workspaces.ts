import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import type { WorkspaceStatus } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { WorkspaceRecord } from '../../protocol/workspace.ts';
import type { Peers } from '../daemon/handlers.ts';
import { HandOverDriver } from '../hand-over/hand-over-driver.ts';
import type { HandOverEvent } from '../hand-over/state.ts';
import { BrokenWorkspace } from '../workspace/broken-workspace.ts';
import { Workspace, type WorkspaceSurroundings } from '../workspace/workspace.ts';
import { type AdaptSurroundings, adaptWorkspace } from './adapt-workspace.ts';
import type { Anchors } from './anchors.ts';
import type { ChooserSettings } from './choose.ts';
import { handOverPorts } from './hand-over-ports.ts';
import type { StartParts } from './start-workspace.ts';

/** Finding QEMUs, disks and journals again after a restart, ms for each workspace. */
const recoverLimitMs = 60_000;

export interface WorkspacesParts {
  readonly surroundings: WorkspaceSurroundings;
  readonly adapting: AdaptSurroundings;
  readonly peers: Peers;
  readonly chooser: ChooserSettings;
  readonly cpuModels: StartParts['cpuModels'];
  readonly anchors: Anchors;
  readonly onChange: (workspace: Workspace) => void;
  /** A visitor of which nothing may be kept has left, or did not come; what was in wdockd's memory of it may go, too. */
  readonly onVisitOver: (workspace: Workspace) => void;
}

/** The workspaces that this device knows, each with its hand-over. */
export class Workspaces {
  readonly #parts: WorkspacesParts;
  readonly #known = new Map<string, Workspace>();
  readonly #broken = new Map<string, BrokenWorkspace>();
  /** Names whose files are being made. */
  readonly #making = new Set<string>();
  /** Visits whose last traces are being removed. */
  readonly #ending = new Map<string, Promise<void>>();

  constructor(parts: WorkspacesParts) {
    this.#parts = parts;
  }

  list(): Workspace[] {
    return [...this.#known.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  find(name: string): Workspace | undefined {
    return this.#known.get(name);
  }

  /** Those whose files cannot be read; all others run. */
  listBroken(): BrokenWorkspace[] {
    return [...this.#broken.values()];
  }

  findBroken(name: string): BrokenWorkspace | undefined {
    return this.#broken.get(name);
  }

  /** Of all that there are, also the broken ones. */
  statuses(): WorkspaceStatus[] {
    return [
      ...this.list().map((each) => each.status()),
      ...this.listBroken().map((each) => this.brokenStatus(each)),
    ].sort((a, b) => a.name.localeCompare(b.name));
  }

  brokenStatus(broken: BrokenWorkspace): WorkspaceStatus {
    return broken.status(this.#parts.surroundings.nameOf);
  }

  /** Throws `conflict`, with what to do. */
  requireReadable(name: string): void {
    const broken = this.#broken.get(name);
    if (broken !== undefined) throw broken.refusal();
  }

  /** Throws `not-found`, and `conflict` for a broken one. Without a name: the only one there is. */
  get(name: string | undefined): Workspace {
    if (name !== undefined) {
      const found = this.#known.get(name);
      if (found !== undefined) return found;
      this.requireReadable(name);
      throw new DockError(
        'not-found',
        `there is no workspace "${name}" on this device; see wdock workspace list`,
      );
    }
    const all = this.statuses();
    const [only] = all;
    if (only === undefined) {
      throw new DockError('not-found', 'this device has no workspace; make one with wdock workspace create');
    }
    if (all.length > 1) {
      throw new DockError(
        'usage',
        `this device has several workspaces (${all.map((each) => each.name).join(', ')}); name one with --workspace`,
      );
    }
    return this.get(only.name);
  }

  /** Makes a workspace whose home is this device, owned by it, stopped. */
  async create(record: WorkspaceRecord): Promise<Workspace> {
    this.#requireUnused(record.name);
    await access(record.disk.path).catch((cause: unknown) => {
      throw new DockError('not-found', `the disk ${record.disk.path} cannot be opened`, { cause });
    });
    const workspace = await this.#make(record, async ({ handOver }) => await handOver.found());
    this.#parts.onChange(workspace);
    return workspace;
  }

  /**
   * Lets go of a workspace that does not run, and removes what this device keeps of it, of one that cannot be read, too.
   * Returns the folder that is left when there is something else in it. Who may, is the caller's to know.
   */
  async remove(name: string): Promise<string | undefined> {
    const workspace = this.#known.get(name);
    if (workspace !== undefined) {
      await workspace.adaptation?.stop(new DockError('cancelled', 'the workspace is removed'));
      await this.#close(workspace);
    }
    const left = await this.#parts.surroundings.store.remove(name);
    this.#broken.delete(name);
    return left;
  }

  /** The workspace that another device brings; one that was here before is the same one, with its journal. */
  async welcome(record: WorkspaceRecord): Promise<Workspace> {
    const before = this.#known.get(record.name);
    if (before?.isOver === true) await this.#forget(before);
    const known = this.#known.get(record.name);
    if (known !== undefined) {
      if (known.record.contract.uuid !== record.contract.uuid) {
        throw new DockError(
          'conflict',
          `this device has another workspace of the name "${record.name}"; rename one of them`,
        );
      }
      return known;
    }
    return await this.#make(record);
  }

  /** Goes on, or rolls back, what an earlier life of wdockd left: QEMUs, disks, hand-overs. */
  async recover(signal: AbortSignal): Promise<void> {
    const { store, log } = this.#parts.surroundings;
    for (const name of await store.names()) {
      const workspace = await this.#read(name);
      if (workspace === undefined) continue;
      try {
        await this.#recover(workspace, AbortSignal.any([signal, AbortSignal.timeout(recoverLimitMs)]));
      } catch (error) {
        signal.throwIfAborted();
        log.error({ workspace: name, err: error }, 'the workspace could not be recovered');
      }
    }
  }

  /** What a restart of wdockd would interrupt: moves, from here and to here, and visits that end. */
  underWay(): Promise<void>[] {
    return [
      ...this.list().flatMap(({ activity, idle, arrival }) => [
        ...(activity.kind === 'idle' ? [] : [idle]),
        ...(arrival === undefined || arrival.over.aborted ? [] : [whenAborted(arrival.over)]),
      ]),
      ...this.#ending.values(),
    ];
  }

  /** A device is connected (again): whoever waits for its word asks it now. */
  linkUp(deviceId: string): void {
    for (const workspace of this.#known.values()) {
      workspace.handOver.input({ in: 'link-up', peer: deviceId }).catch(() => undefined); // wdockd is stopping
    }
  }

  /** Leaves every VM running. */
  async close(): Promise<void> {
    for (const workspace of this.#known.values()) {
      workspace.arrival?.close();
      await workspace.adaptation?.stop(new DockError('cancelled', 'wdockd is stopping'));
      await workspace.handOver[Symbol.asyncDispose]();
      await workspace[Symbol.asyncDispose]();
    }
    await this.#parts.anchors.close();
    this.#known.clear();
  }

  /** Undefined when it is broken, which is noted then. */
  async #read(name: string): Promise<Workspace | undefined> {
    const { store, log } = this.#parts.surroundings;
    let record: WorkspaceRecord | undefined;
    try {
      record = await store.load(name);
      return await this.#open(record);
    } catch (thrown) {
      const error = DockError.from(thrown);
      this.#broken.set(name, new BrokenWorkspace(name, error.message, record));
      log.error({ workspace: name, err: error }, 'the workspace cannot be read, and is left as it is');
      return undefined;
    }
  }

  #requireUnused(name: string): void {
    if (this.#known.has(name) || this.#making.has(name)) {
      throw new DockError('conflict', `there is a workspace "${name}" already`);
    }
    this.requireReadable(name);
  }

  /** Writes a new workspace, or nothing; over nothing that is there. */
  async #make(record: WorkspaceRecord, begin?: (made: Workspace) => Promise<void>): Promise<Workspace> {
    const { name } = record;
    this.#requireUnused(name);
    this.#making.add(name);
    try {
      const { store } = this.#parts.surroundings;
      if (await store.has(name)) {
        throw new DockError(
          'conflict',
          `${store.paths(name).state} has the files of a workspace already; restart wdockd to use them, or move that folder away`,
        );
      }
      return await this.#write(record, begin);
    } finally {
      this.#making.delete(name);
    }
  }

  async #write(record: WorkspaceRecord, begin?: (made: Workspace) => Promise<void>): Promise<Workspace> {
    const { store, log } = this.#parts.surroundings;
    const { name } = record;
    try {
      await store.save(record);
      const made = await this.#open(record);
      await begin?.(made);
      return made;
    } catch (error) {
      // A record without its journal would be taken for a workspace that is somewhere else.
      await this.#known.get(name)?.handOver[Symbol.asyncDispose]();
      this.#known.delete(name);
      await store.remove(name).catch((cause: unknown) => {
        log.error(
          { workspace: name, err: cause },
          'what was written of a new workspace could not be removed',
        );
      });
      throw error;
    }
  }

  async #recover(workspace: Workspace, signal: AbortSignal): Promise<void> {
    const { log } = this.#parts.surroundings;
    const { position } = workspace.handOver.state;
    // The disk comes first: a QEMU that lost it answers nothing until it is back, and another device may wait for it.
    const servesOthers = workspace.isHome && position.at !== 'owner' && position.at !== 'waking';
    if ((await workspace.keeper.isLeft()) || servesOthers) {
      await workspace.openDisk(signal);
    }
    const machine = await workspace.keeper.adopt(signal);
    log.info({ workspace: workspace.name, position: position.at, qemu: machine?.qemu.pid }, 'found again');
    await workspace.handOver.recover();
    if (workspace.image !== undefined) await workspace.keeper.leave();
    await workspace.restSuspended(signal);
    await this.#parts.anchors.recover(workspace, signal).catch((error: unknown) => {
      log.error({ workspace: workspace.name, err: error }, 'what was kept of another LAN is lost');
    });
    this.#parts.onChange(workspace);
    const adapts = workspace.adaptation?.epoch === workspace.epoch;
    if (workspace.isOwner && workspace.machine !== undefined && !adapts)
      adaptWorkspace(workspace, this.#parts.adapting);
    if (workspace.isOver) await this.#forget(workspace);
  }

  /** Removes all that is left of a visit that is over, as soon as nothing is done with it any more. */
  #forget(workspace: Workspace): Promise<void> {
    const { name } = workspace;
    const running = this.#ending.get(name);
    if (running !== undefined) return running;
    const ending = this.#removeVisit(workspace).finally(() => this.#ending.delete(name));
    this.#ending.set(name, ending);
    return ending;
  }

  async #removeVisit(workspace: Workspace): Promise<void> {
    const { store, log } = this.#parts.surroundings;
    await workspace.idle;
    if (this.#known.get(workspace.name) !== workspace || !workspace.isOver) return;
    await workspace.arrival?.drop(AbortSignal.timeout(recoverLimitMs));
    await workspace.keeper.end();
    await this.#close(workspace);
    await store.remove(workspace.name);
    log.info({ workspace: workspace.name }, 'the visit is over; nothing of it is kept');
  }

  async #close(workspace: Workspace): Promise<void> {
    this.#known.delete(workspace.name);
    await workspace.handOver[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  }

  async #open(record: WorkspaceRecord): Promise<Workspace> {
    const { log } = this.#parts.surroundings;
    const workspace = new Workspace(record, this.#parts.surroundings, (poweredOff) => {
      const told = async (): Promise<void> => {
        if (poweredOff) await workspace.save({ wanted: 'stopped' });
        await workspace.handOver.input({ in: 'vm-gone' });
      };
      told().catch((error: unknown) =>
        log.error({ workspace: record.name, err: error }, 'after the end of QEMU'),
      );
    });
    workspace.handOver = await HandOverDriver.open({
      workspace: record.name,
      settings: { self: this.#parts.surroundings.self.id, home: record.homeDevice },
      journalFile: workspace.paths.journal,
      ports: handOverPorts(workspace, this.#parts.peers, this.#parts),
      onEvent: (event) => this.#follow(workspace, event),
    });
    this.#known.set(record.name, workspace);
    return workspace;
  }

  /** What follows from a hand-over's event on this device, besides what it ordered itself. */
  #follow(workspace: Workspace, event: HandOverEvent): void {
    const { log, network } = this.#parts.surroundings;
    log.info({ workspace: workspace.name, ...event }, 'hand-over');
    if (event.kind !== 'warning' && event.kind !== 'rejected') workspace.liftFence();
    const task = async (): Promise<void> => {
      const signal = AbortSignal.timeout(recoverLimitMs);
      switch (event.kind) {
        case 'released':
          // From here on the guest is somebody else's neighbour.
          await network.withdraw(workspace.tap, signal);
          break;
        case 'settled':
        case 'superseded':
          await workspace.settle(signal);
          break;
        case 'voided':
          await workspace.arrival?.drop(signal);
          workspace.arrival = undefined;
          break;
        case 'running':
          workspace.arrival?.close();
          if (workspace.adaptation?.epoch !== event.epoch) adaptWorkspace(workspace, this.#parts.adapting);
          break;
        case 'withdrawn':
        case 'taken-back':
        case 'forced':
          // Offered from its image and not taken; one that runs has nothing to rest.
          await workspace.restSuspended(signal);
          break;
        default:
          break;
      }
      await this.#parts.anchors.follow(workspace, event);
      if (workspace.record.keepNothing === true && endsVisit.has(event.kind)) {
        if (workspace.isOver) await this.#forget(workspace);
        this.#parts.onVisitOver(workspace);
      }
    };
    task()
      .catch((error: unknown) =>
        log.error({ workspace: workspace.name, err: error, event: event.kind }, 'after the hand-over'),
      )
      .finally(() => this.#parts.onChange(workspace));
  }
}

async function whenAborted(signal: AbortSignal): Promise<void> {
  await once(signal, 'abort');
}

/** The VM of a visitor is not, or no longer, on this device. */
const endsVisit: ReadonlySet<HandOverEvent['kind']> = new Set(['settled', 'superseded', 'voided']);

/** A locally administered, unicast hardware address (IEEE 802: second bit of the first byte). */
export function newMacAddress(): string {
  return `52:54:00:${[...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
}

export function newMachineIds(): { uuid: string; generationId: string } {
  return { uuid: randomUUID(), generationId: randomUUID() };
}
