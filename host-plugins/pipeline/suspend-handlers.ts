import { DockError } from '../../protocol/dock-error.ts';
import type { ControlHandlers } from '../daemon/handlers.ts';
import type { Identity } from '../pairing/identity.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { type AdaptSurroundings, adaptWorkspace } from './adapt-workspace.ts';
import { type ResumeParts, resumeWorkspace } from './resume-workspace.ts';
import { suspendWorkspace } from './suspend-workspace.ts';
import { requireRunningHere } from './trip-handlers.ts';

export interface SuspendHandlersParts extends Omit<ResumeParts, 'self' | 'trustOf'> {
  readonly identity: Identity;
  readonly trust: TrustStore;
  readonly adapting: AdaptSurroundings;
  readonly onEnd: (workspace: Workspace) => void;
}

export function suspendHandlers(
  parts: SuspendHandlersParts,
): Required<Pick<ControlHandlers, 'suspend' | 'resume'>> {
  const { workspaces, identity, trust, chooser, clock, adapting, onEnd } = parts;
  return {
    suspend: async ({ workspace: name, directory, now }, { progress, signal }) => {
      const workspace = workspaces.get(name);
      requireRunningHere(workspace);
      requireAtHome(workspace);
      const cancelled = new AbortController();
      const request = { directory, now, emit: progress };
      const suspendParts = {
        self: identity,
        owned: () => trust.list().filter((device) => device.trust === 'owned'),
        chooser,
        clock,
      };
      const activity = {
        kind: 'trip',
        what: `suspend to ${directory}`,
        cancel: (reason: DockError) => cancelled.abort(reason),
      } as const;
      const work = workspace.exclusively(activity, async () => {
        const adapts = workspace.adaptation?.underWay === true;
        await workspace.adaptation?.stop(
          new DockError('cancelled', `"${workspace.name}" is being suspended`),
        );
        try {
          return await suspendWorkspace(
            workspace,
            request,
            suspendParts,
            AbortSignal.any([signal, cancelled.signal]),
          );
        } catch (error) {
          // It stays, and nobody else would finish what was interrupted.
          if (adapts && workspace.isOwner && workspace.machine !== undefined)
            adaptWorkspace(workspace, adapting);
          throw error;
        }
      });
      return await work.finally(() => onEnd(workspace));
    },
    resume: async ({ workspace, directory }, { progress, signal }) =>
      await resumeWorkspace(
        { directory, workspace, emit: progress },
        { ...parts, self: identity, trustOf: (id) => trust.byId(id)?.trust },
        signal,
      ).finally(() => workspaces.list().forEach(onEnd)),
  };
}

/** Its home has the disk and the word on who may resume it; so it is suspended where both are. */
function requireAtHome(workspace: Workspace): void {
  const { name, record, surroundings, isHome } = workspace;
  if (record.keepNothing === true) {
    throw new DockError(
      'conflict',
      `"${name}" only visits this device, which keeps nothing of it: wdock undock`,
    );
  }
  if (isHome) return;
  throw new DockError(
    'conflict',
    `"${name}" is at home on "${surroundings.nameOf(record.homeDevice)}", and can be suspended there: wdock undock first`,
  );
}
