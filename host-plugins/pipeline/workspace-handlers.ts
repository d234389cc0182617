import { DockError } from '../../protocol/dock-error.ts';
import type { ControlHandlers } from '../daemon/handlers.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { type AdaptSurroundings, adaptWorkspace } from './adapt-workspace.ts';
import { type CreateParts, createWorkspace } from './create-workspace.ts';
import { type RemoveParts, removeWorkspace } from './remove-workspace.ts';
import { startWorkspace, stopWorkspace } from './start-workspace.ts';

export interface WorkspaceHandlersParts extends CreateParts, RemoveParts {
  readonly adapting: AdaptSurroundings;
}

export function workspaceHandlers(parts: WorkspaceHandlersParts): ControlHandlers {
  const { workspaces, chooser, adapting } = parts;
  const status = (workspace: Workspace) => workspace.status();
  let turn: Promise<unknown> = Promise.resolve();
  /** Two workspaces that are made at once must not get the same disk. */
  const oneByOne = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined); // its caller sees the error
    return mine;
  };
  return {
    'workspace.create': async (params, { signal }) =>
      await oneByOne(async () => {
        const { workspace, disk } = await createWorkspace(parts, params, signal);
        return { status: status(workspace), disk };
      }),
    'workspace.list': async () => workspaces.statuses(),
    'workspace.show': async ({ name }) => {
      const broken = workspaces.findBroken(name);
      if (broken !== undefined) {
        return { status: workspaces.brokenStatus(broken), record: broken.record ?? null, journal: [] };
      }
      const workspace = workspaces.get(name);
      return {
        status: workspace.status(),
        record: workspace.record,
        journal: await workspace.handOver.history(),
      };
    },
    'workspace.start': async ({ name }, { signal }) => {
      const workspace = workspaces.get(name);
      return await workspace.exclusively({ kind: 'starting' }, async () => {
        const adaptation = await startWorkspace(workspace, chooser, adapting, signal);
        await adaptation.result.catch(() => undefined); // what it could not do is in the log and in the status
        return status(workspace);
      });
    },
    'workspace.stop': async ({ name, force }, { signal }) => {
      const workspace = workspaces.get(name);
      if (!workspace.isOwner) {
        throw new DockError(
          'conflict',
          `"${name}" runs on ${workspace.status().runsOn ?? 'another device'}; stop it there, or undock first`,
        );
      }
      return await workspace.exclusively({ kind: 'stopping' }, async () => {
        await stopWorkspace(workspace, force, signal);
        return { ...status(workspace), state: 'stopped' as const };
      });
    },
    'workspace.remove': async ({ name }, { signal }) => await removeWorkspace(parts, name, signal),
    'workspace.force-owner': async ({ name }) => {
      const workspace = workspaces.get(name);
      const end = workspace.handOver.until(
        (event) => event.kind === 'forced' || event.kind === 'rejected' || event.kind === 'warning',
        AbortSignal.timeout(60_000),
      );
      await workspace.handOver.input({ in: 'force' });
      const event = await end;
      if (event.kind !== 'forced') {
        throw new DockError(
          'conflict',
          `"${name}" was not taken: ${'reason' in event ? event.reason : event.kind}`,
        );
      }
      if (workspace.machine !== undefined) adaptWorkspace(workspace, adapting);
      return status(workspace);
    },
  };
}
