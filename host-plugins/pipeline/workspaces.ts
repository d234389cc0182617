import { randomBytes, randomUUID } from 'node:crypto';
import { access } from 'node:fs/promises';
import { DockError } from '../../protocol/dock-error.ts';
import type { WorkspaceRecord } from '../../protocol/workspace.ts';
import type { Peers } from '../daemon/handlers.ts';
import { HandOverDriver } from '../hand-over/hand-over-driver.ts';
import type { HandOverEvent } from '../hand-over/state.ts';
import { Workspace, type WorkspaceSurroundings } from '../workspace/workspace.ts';
import { type AdaptSurroundings, adaptWorkspace } from './adapt-workspace.ts';
import type { Anchors } from './anchors.ts';
import type { ChooserSettings } from './choose.ts';
import { handOverPorts } from './hand-over-ports.ts';

/** Finding QEMUs, disks and journals again after a restart, ms for each workspace. */
const recoverLimitMs = 60_000;

export interface WorkspacesParts {
  readonly surroundings: WorkspaceSurroundings;
  readonly adapting: AdaptSurroundings;
  readonly peers: Peers;
  readonly chooser: ChooserSettings;
  readonly anchors: Anchors;
  readonly onChange: (workspace: Workspace) => void;
}

/** The workspaces that this device knows, each with its hand-over. */
export class Workspaces {
  readonly #parts: WorkspacesParts;
  readonly #known = new Map<string, Workspace>();

  constructor(parts: WorkspacesParts) {
    this.#parts = parts;
  }

  list(): Workspace[] {
    return [...this.#known.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  find(name: string): Workspace | undefined {
    return this.#known.get(name);
  }

  /** Throws `not-found`. Without a name: the only one there is. */
  get(name: string | undefined): Workspace {
    if (name !== undefined) {
      const found = this.#known.get(name);
      if (found !== undefined) return found;
      throw new DockError(
        'not-found',
        `there is no workspace "${name}" on this device; see wdock workspace list`,
      );
    }
    const all = this.list();
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
    return only;
  }

  /** Makes a workspace whose home is this device, owned by it, stopped. */
  async create(record: WorkspaceRecord): Promise<Workspace> {
    if (this.#known.has(record.name)) {
      throw new DockError('conflict', `there is a workspace "${record.name}" already`);
    }
    await access(record.disk.path).catch((cause: unknown) => {
      throw new DockError('not-found', `the disk ${record.disk.path} cannot be opened`, { cause });
    });
    await this.#parts.surroundings.store.save(record);
    const workspace = await this.#open(record);
    await workspace.handOver.found();
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
      this.#known.delete(name);
      await workspace.handOver[Symbol.asyncDispose]();
      await workspace[Symbol.asyncDispose]();
    }
    return await this.#parts.surroundings.store.remove(name);
  }

  /** The workspace that another device brings; one that was here before is the same one, with its journal. */
  async welcome(record: WorkspaceRecord): Promise<Workspace> {
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
    await this.#parts.surroundings.store.save(record);
    return await this.#open(record);
  }

  /** Goes on, or rolls back, what an earlier life of wdockd left: QEMUs, disks, hand-overs. */
  async recover(signal: AbortSignal): Promise<void> {
    const { store, log } = this.#parts.surroundings;
    for (const name of await store.names()) {
      try {
        const record = await store.load(name);
        if (record === undefined) continue;
        await this.#recover(
          await this.#open(record),
          AbortSignal.any([signal, AbortSignal.timeout(recoverLimitMs)]),
        );
      } catch (error) {
        signal.throwIfAborted();
        log.error({ workspace: name, err: error }, 'the workspace could not be recovered');
      }
    }
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

  async #recover(workspace: Workspace, signal: AbortSignal): Promise<void> {
    const { log } = this.#parts.surroundings;
    const { position } = workspace.handOver.state;
    // The disk comes first: a QEMU that lost it answers nothing until it is back, and another device may wait for it.
    if ((await workspace.keeper.isLeft()) || (workspace.isHome && position.at !== 'owner')) {
      await workspace.openDisk(signal);
    }
    const machine = await workspace.keeper.adopt(signal);
    log.info({ workspace: workspace.name, position: position.at, qemu: machine?.qemu.pid }, 'found again');
    await workspace.handOver.recover();
    await this.#parts.anchors.recover(workspace, signal).catch((error: unknown) => {
      log.error({ workspace: workspace.name, err: error }, 'what was kept of another LAN is lost');
    });
    this.#parts.onChange(workspace);
    if (workspace.isOwner && workspace.machine !== undefined) adaptWorkspace(workspace, this.#parts.adapting);
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
      ports: handOverPorts(workspace, this.#parts.peers, this.#parts.adapting, this.#parts.chooser),
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
          break;
        default:
          break;
      }
      await this.#parts.anchors.follow(workspace, event);
    };
    task()
      .catch((error: unknown) =>
        log.error({ workspace: workspace.name, err: error, event: event.kind }, 'after the hand-over'),
      )
      .finally(() => this.#parts.onChange(workspace));
  }
}

/** A locally administered, unicast hardware address (IEEE 802: second bit of the first byte). */
export function newMacAddress(): string {
  return `52:54:00:${[...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
}

export function newMachineIds(): { uuid: string; generationId: string } {
  return { uuid: randomUUID(), generationId: randomUUID() };
}
