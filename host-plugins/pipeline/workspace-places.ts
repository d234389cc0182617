import type { DockError } from '../../protocol/dock-error.ts';
import { peerOf } from '../hand-over/position.ts';
import type { WorkspacePlace, WorkspacePlaces } from '../presence/workspace-places.ts';
import type { Workspace } from '../workspace/workspace.ts';
import type { tripHandlers } from './trip-handlers.ts';
import type { Workspaces } from './workspaces.ts';

type Trips = Required<Pick<ReturnType<typeof tripHandlers>, 'dock' | 'undock'>>;

/** The workspaces as triggers see them, and the handlers of wdock's own commands for their trips. */
export function workspacePlaces(workspaces: Workspaces, { dock, undock }: Trips): WorkspacePlaces {
  const call = (signal: AbortSignal) => ({ signal, progress: () => undefined, caller: 'wdock' as const });
  return {
    list: () => workspaces.list().map(placeOf),
    dock: async (workspace, target, signal) => void (await dock({ workspace, target }, call(signal))),
    undock: async (workspace, signal) => void (await undock({ workspace }, call(signal))),
    keep: async (workspace, reason) => await keepHere(workspaces.get(workspace), reason),
  };
}

/** As WorkspacePlaces.keep. */
export async function keepHere(
  workspace: Pick<Workspace, 'activity' | 'idle' | 'isOwner'>,
  reason: DockError,
): Promise<boolean> {
  const { activity, idle } = workspace;
  if (activity.kind !== 'trip') return false;
  activity.cancel(reason);
  await idle;
  return workspace.isOwner;
}

function placeOf(workspace: Workspace): WorkspacePlace {
  const { name, record } = workspace;
  return { name, home: record.homeDevice, policy: record.policy, where: whereIs(workspace) };
}

function whereIs(workspace: Workspace): WorkspacePlace['where'] {
  switch (workspace.status().state) {
    case 'here':
      return { at: workspace.surroundings.self.id };
    case 'moving':
      return 'moving';
    case 'away': {
      const owner = peerOf(workspace.handOver.state.position);
      return owner === undefined ? 'none' : { at: owner };
    }
    case 'stopped':
    case 'suspended':
    case 'stuck':
    case 'broken':
      return 'none';
  }
}
