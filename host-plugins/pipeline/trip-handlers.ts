import { DockError } from '../../protocol/dock-error.ts';
import { kioskRiskWords } from '../../protocol/kiosk-risk.ts';
import type { TripOutcome } from '../../protocol/outcome.ts';
import type { ProgressEvent } from '../../protocol/progress-event.ts';
import type { ControlHandlers, Peers } from '../daemon/handlers.ts';
import { peerOf } from '../hand-over/position.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { type AdaptSurroundings, adaptWorkspace } from './adapt-workspace.ts';
import { requireAwake } from './require-awake.ts';
import { leavesNothing, runTrip, type TripSurroundings } from './run-trip.ts';
import type { Workspaces } from './workspaces.ts';

/** For so long the device from which a VM comes home may not be heard of before its move counts as lost sight of, ms. */
const followMs = 120_000;

export interface TripHandlersParts {
  readonly workspaces: Workspaces;
  readonly trust: TrustStore;
  readonly peers: Peers;
  readonly trips: TripSurroundings;
  readonly adapting: AdaptSurroundings;
  readonly timeLimitMs: number;
  readonly publish: (workspace: string, event: ProgressEvent) => void;
  /** The workspace is free for something else again. */
  readonly onEnd: (workspace: Workspace) => void;
}

/** Runs a trip of a workspace from here, with everybody told of it. */
export async function startTrip(
  parts: TripHandlersParts,
  workspace: Workspace,
  kind: 'dock' | 'undock',
  target: { id: string; name: string },
  progress: (event: ProgressEvent) => void,
  signal: AbortSignal,
): Promise<TripOutcome> {
  const cancelled = new AbortController();
  const limits = AbortSignal.any([signal, cancelled.signal, AbortSignal.timeout(parts.timeLimitMs)]);
  const emit = (event: ProgressEvent): void => {
    progress(event);
    parts.publish(workspace.name, event);
  };
  const what = `${kind} to "${target.name}"`;
  const { clock } = parts.trips;
  const trip = workspace.exclusively(
    { kind: 'trip', what, cancel: (reason) => cancelled.abort(reason) },
    async () => {
      const { host } = workspace.surroundings.self;
      emit({
        kind: 'trip-started',
        at: clock.wall(),
        trip: kind,
        workspace: workspace.name,
        from: host.name,
        to: target.name,
        simulated: host.simulated,
      });
      // What still grows cannot be measured, nor shrunk: the guest is left as far as it has come.
      const adapting = workspace.adaptation?.underWay === true;
      await workspace.adaptation?.stop(
        new DockError('cancelled', `"${workspace.name}" leaves for "${target.name}"`),
      );
      // What it has sent ahead is of use already.
      await workspace.warmUp?.stop(new DockError('cancelled', `"${workspace.name}" leaves`));
      try {
        const outcome = await runTrip(workspace, { kind, target, emit }, parts.trips, limits);
        emit({ kind: 'trip-done', at: clock.wall(), outcome });
        return outcome;
      } catch (error) {
        // It stays, and nobody else would finish what was interrupted.
        if (adapting && workspace.isOwner && workspace.machine !== undefined)
          adaptWorkspace(workspace, parts.adapting);
        throw error;
      }
    },
  );
  return await trip.finally(() => parts.onEnd(workspace));
}

export function tripHandlers(
  parts: TripHandlersParts,
): Required<Pick<ControlHandlers, 'dock' | 'undock' | 'cancel'>> {
  const { workspaces, trust, peers } = parts;
  return {
    dock: async (params, { progress, signal }) => {
      const workspace = workspaces.get(params.workspace);
      const target = trust.find(params.target);
      requireRunningHere(workspace);
      if (workspace.record.keepNothing === true && target.id !== workspace.record.homeDevice) {
        throw new DockError(
          'conflict',
          `"${workspace.name}" only visits this device, and leaves it for its home: wdock undock`,
        );
      }
      if (leavesNothing(workspace, target.id)) {
        if (params.iKnowTheKioskCanReadIt === true) await trust.acceptRisk(target.id);
        else if (target.riskAccepted !== true) throw riskNotAccepted(target.name, workspace.name);
      }
      return await startTrip(parts, workspace, 'dock', target, progress, signal);
    },
    undock: async ({ workspace: name }, { progress, signal }) => {
      const workspace = workspaces.get(name);
      requireAwake(workspace);
      if (workspace.isOwner && workspace.isHome) {
        throw new DockError(
          'conflict',
          `"${workspace.name}" is at home on this device; there is nothing to undock`,
        );
      }
      if (workspace.isOwner) {
        requireRunningHere(workspace);
        return await startTrip(
          parts,
          workspace,
          'undock',
          trust.find(workspace.record.homeDevice),
          progress,
          signal,
        );
      }
      const owner = peerOf(workspace.handOver.state.position);
      if (owner === undefined) throw new DockError('conflict', `nobody knows where "${workspace.name}" runs`);
      let underWay = false;
      const relay = (event: ProgressEvent): void => {
        underWay = event.kind !== 'trip-done' && event.kind !== 'trip-failed';
        progress(event);
        parts.publish(workspace.name, event);
      };
      const note = (text: string) => relay({ kind: 'note', at: parts.trips.clock.wall(), text });
      const { name: other = owner } = trust.byId(owner) ?? {};
      // A device that is not there is told of at once; one that was, is waited for.
      await peers.connect(owner, signal);
      try {
        return await peers.call(
          owner,
          'undock',
          { workspace: workspace.name },
          {
            signal,
            onProgress: relay,
            patienceMs: followMs,
            onLost: () =>
              note(`no word from "${other}", from where it comes; the move goes on as soon as the link does`),
            onFound: () => note(`"${other}" is heard again`),
          },
        );
      } catch (error) {
        // It was not heard of for too long: whoever watches the trip hears no more of it.
        if (underWay)
          relay({
            kind: 'trip-failed',
            at: parts.trips.clock.wall(),
            error: DockError.from(error).toData(),
          });
        throw error;
      }
    },
    cancel: async ({ workspace: name }, { signal }) => {
      const workspace = workspaces.get(name);
      if (workspace.activity.kind === 'trip') {
        workspace.activity.cancel(new DockError('cancelled', 'the move was cancelled by its user'));
        return {};
      }
      const other = peerOf(workspace.handOver.state.position);
      if (other === undefined || workspace.isOwner) {
        throw new DockError('conflict', `no move of "${workspace.name}" is under way`);
      }
      return await peers.call(other, 'cancel', { workspace: workspace.name }, { signal });
    },
  };
}

function riskNotAccepted(kiosk: string, workspace: string): DockError {
  const kioskRisk = kioskRiskWords(kiosk, workspace);
  return new DockError(
    'untrusted',
    `${kioskRisk}\nTo dock there all the same: wdock dock ${kiosk} --i-know-the-kiosk-can-read-it`,
    { detail: { kioskRisk } },
  );
}

export function requireRunningHere(workspace: Workspace): void {
  requireAwake(workspace);
  if (!workspace.isOwner) {
    const where = workspace.status().runsOn ?? 'another device';
    throw new DockError('conflict', `"${workspace.name}" runs on "${where}"; undock it first`);
  }
  if (workspace.machine === undefined) {
    throw new DockError(
      'conflict',
      `"${workspace.name}" does not run; start it with wdock workspace start ${workspace.name}`,
    );
  }
}
