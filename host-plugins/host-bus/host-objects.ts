import type { DeviceStatus, WorkspaceStatus } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { PresenceStatus } from '../../protocol/presence.ts';
import type { ControlCalls } from '../daemon/control-calls.ts';
import type { WatchEvent } from '../daemon/watch-hub.ts';
import type { ObjectTree } from '../system/dbus/object-tree.ts';
import { TripBook, type TripChange } from '../trip-book/trip-book.ts';
import type { TripState } from '../trip-book/trip-state.ts';
import { deviceObject } from './device-object.ts';
import type { Guard } from './guard.ts';
import { devicePath, noObject, tripPath, workspacePath } from './object-path.ts';
import { endOf, tripObject } from './trip-object.ts';
import { workspaceObject } from './workspace-object.ts';

export interface HostObjectsParts {
  readonly tree: ObjectTree;
  readonly calls: ControlCalls;
  readonly guard: Guard;
  /** How near a device is now, by its id. */
  readonly presencesOf: (id: string) => readonly PresenceStatus[];
}

/** Keeps the objects on the bus as the device, its workspaces and its trips are. */
export class HostObjects {
  readonly #tree: ObjectTree;
  readonly #calls: ControlCalls;
  readonly #guard: Guard;
  readonly #presencesOf: HostObjectsParts['presencesOf'];
  readonly #workspaces = new Map<string, WorkspaceStatus>();
  /** By id. */
  readonly #devices = new Map<string, DeviceStatus>();
  readonly #book = new TripBook();

  constructor({ tree, calls, guard, presencesOf }: HostObjectsParts) {
    this.#tree = tree;
    this.#calls = calls;
    this.#guard = guard;
    this.#presencesOf = presencesOf;
  }

  hear(event: WatchEvent): void {
    if (event.kind === 'workspace') this.showWorkspace(event.status);
    // What one hears last of a device that was forgotten is that its connection ended.
    else if (event.kind === 'device') {
      if (this.#devices.has(event.status.id)) this.showDevice(event.status);
    } else if (event.kind === 'presence') this.#tree.refresh(devicePath(event.status.device));
    else this.#showTrip(event.workspace, this.#book.hear(event.workspace, event.event));
  }

  showWorkspace(status: WorkspaceStatus): void {
    const { name } = status;
    const isNew = !this.#workspaces.has(name);
    this.#workspaces.set(name, status);
    if (!isNew) {
      this.#tree.refresh(workspacePath(name));
      return;
    }
    const offered = workspaceObject({
      name,
      read: () => this.#workspaces.get(name) ?? status,
      trip: () => {
        const trip = this.#book.running(name);
        return trip === undefined ? noObject : tripPath(trip.number);
      },
      calls: this.#calls,
      guard: this.#guard,
    });
    this.#tree.add(workspacePath(name), offered);
  }

  /** Also one that is known under another name. */
  showDevice(status: DeviceStatus): void {
    const before = this.#devices.get(status.id);
    if (before !== undefined && before.name !== status.name) this.hideDevice(status.id);
    this.#devices.set(status.id, status);
    const path = devicePath(status.name);
    if (this.#tree.has(path)) this.#tree.refresh(path);
    else {
      const read = () => this.#devices.get(status.id) ?? status;
      const presences = () => this.#presencesOf(status.id);
      this.#tree.add(path, deviceObject({ read, presences, calls: this.#calls, guard: this.#guard }));
    }
  }

  hideDevice(id: string): void {
    const known = this.#devices.get(id);
    if (known === undefined) return;
    this.#devices.delete(id);
    this.#tree.remove(devicePath(known.name));
  }

  #showTrip(workspace: string, change: TripChange | undefined): void {
    if (change === undefined) return;
    const { before, after, dropped } = change;
    for (const { number } of dropped) this.#tree.remove(tripPath(number));
    if (before === undefined) this.#addTrip(after);
    else this.#tree.refresh(tripPath(after.number));
    if (after.state !== 'running') this.#tree.signal(tripPath(after.number), 'Ended', endOf(after));
    this.#tree.refresh(workspacePath(workspace));
  }

  #addTrip(first: TripState): void {
    const { number, workspace } = first;
    const read = () => this.#book.list().find((each) => each.number === number) ?? first;
    const cancel = this.#guard(
      () => ({ action: 'dock', details: { workspace } }),
      async () => {
        if (read().state !== 'running') throw new DockError('conflict', 'this trip has ended');
        await this.#calls.run('cancel', { workspace });
        return [];
      },
    );
    this.#tree.add(tripPath(number), tripObject(read, cancel));
  }
}
