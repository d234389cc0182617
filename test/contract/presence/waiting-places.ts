import { once } from 'node:events';
import type { WatchHub } from '../../../host-plugins/daemon/watch-hub.ts';
import type { WorkspacePlace, WorkspacePlaces } from '../../../host-plugins/presence/workspace-places.ts';
import { DockError } from '../../../protocol/dock-error.ts';

/** A workspace "work" that runs at home here, and whose trips only wait to be ended: what is decided needs no machine. */
export class WaitingPlaces implements WorkspacePlaces {
  readonly #home: string;
  readonly #hub: WatchHub;
  #where: WorkspacePlace['where'];

  constructor(home: string, hub: WatchHub) {
    this.#home = home;
    this.#hub = hub;
    this.#where = { at: home };
  }

  list(): readonly WorkspacePlace[] {
    return [{ name: 'work', home: this.#home, policy: undefined, where: this.#where }];
  }

  async dock(workspace: string, _deviceId: string, signal: AbortSignal): Promise<void> {
    await this.#travel('dock', workspace, signal);
  }

  async undock(workspace: string, signal: AbortSignal): Promise<void> {
    await this.#travel('undock', workspace, signal);
  }

  async keep(): Promise<boolean> {
    return false;
  }

  async #travel(trip: 'dock' | 'undock', workspace: string, signal: AbortSignal): Promise<void> {
    const tell = (event: Parameters<WatchHub['publish']>[0] & { kind: 'trip' }) => this.#hub.publish(event);
    const at = Date.now();
    const before = this.#where;
    this.#where = 'moving';
    const ends = { from: 'mid', to: 'pc', simulated: false };
    tell({ kind: 'trip', at, workspace, event: { kind: 'trip-started', at, trip, workspace, ...ends } });
    if (!signal.aborted) await once(signal, 'abort');
    this.#where = before;
    const error = DockError.from(signal.reason, 'cancelled');
    tell({ kind: 'trip', at, workspace, event: { kind: 'trip-failed', at, error: error.toData() } });
    throw error;
  }
}
