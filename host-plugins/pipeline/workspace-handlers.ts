import type { KeptMemoryFacts } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { CpuModels } from '../cpu-model/cpu-models.ts';
import type { ControlHandlers } from '../daemon/handlers.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { type AdaptSurroundings, adaptWorkspace } from './adapt-workspace.ts';
import { cpuShape, shapesFor } from './cpu-shapes.ts';
import { type CreateParts, createWorkspace } from './create-workspace.ts';
import { type RemoveParts, removeWorkspace } from './remove-workspace.ts';
import { requireAwake } from './require-awake.ts';
import { startWorkspace, stopWorkspace } from './start-workspace.ts';
import { type WarmUpParts, warmUp } from './warm-up.ts';

export interface WorkspaceHandlersParts extends CreateParts, RemoveParts {
  readonly adapting: AdaptSurroundings;
  readonly cpuModels: CpuModels;
  readonly warming: WarmUpParts;
}

export function workspaceHandlers(parts: WorkspaceHandlersParts): ControlHandlers {
  const { workspaces, chooser, adapting, cpuModels, trust } = parts;
  const status = (workspace: Workspace) => workspace.status();
  let turn: Promise<unknown> = Promise.resolve();
  /** Two workspaces that are made at once must not get the same disk. */
  const oneByOne = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined); // its caller sees the error
    return mine;
  };
  const keptOf = (workspace: Workspace) => workspace.surroundings.pages.kept.facts(workspace.keptMemory);
  /** Nothing where QEMU does not answer: all else about the workspace can be shown. */
  const dockingOf = async (workspace: Workspace, signal: AbortSignal) => {
    const devices = trust.list().filter(({ id }) => shapesFor([workspace], id).length > 0);
    const shape = cpuShape(workspace.name, workspace.record.contract);
    try {
      return { docking: await cpuModels.dockings([shape], devices, signal) };
    } catch {
      signal.throwIfAborted();
      return {};
    }
  };
  return {
    'workspace.create': async (params, { signal }) =>
      await oneByOne(async () => {
        const { workspace, disk, cpuModel } = await createWorkspace(parts, params, signal);
        workspace.surroundings.pages.lookForImages();
        return { status: status(workspace), disk, cpuModel };
      }),
    'workspace.list': async () => workspaces.statuses(),
    'workspace.show': async ({ name }, { signal }) => {
      const broken = workspaces.findBroken(name);
      if (broken !== undefined) {
        return { status: workspaces.brokenStatus(broken), record: broken.record ?? null, journal: [] };
      }
      const workspace = workspaces.get(name);
      return {
        status: workspace.status(),
        record: workspace.record,
        journal: await workspace.handOver.history(),
        ...keptMemory(await keptOf(workspace)),
        ...(await dockingOf(workspace, signal)),
      };
    },
    'workspace.start': async ({ name, cpuModel }, { signal }) => {
      const workspace = workspaces.get(name);
      return await workspace.exclusively({ kind: 'starting' }, async () => {
        const adaptation = await startWorkspace(
          workspace,
          { chooser, adapting, cpuModels, cpuModel },
          signal,
        );
        await adaptation.result.catch(() => undefined); // what it could not do is in the log and in the status
        return status(workspace);
      });
    },
    'workspace.stop': async ({ name, force }, { signal }) => {
      const workspace = workspaces.get(name);
      requireAwake(workspace);
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
    'workspace.warm-up': async ({ name, device }, { progress, signal }) =>
      await warmUp(parts.warming, workspaces.get(name), trust.find(device), progress, signal),
    'workspace.forget-memory': async ({ name }) => {
      const workspace = workspaces.get(name);
      const facts = await keptOf(workspace);
      await workspace.surroundings.pages.kept.forget(workspace.keptMemory);
      return facts === undefined ? {} : { removed: facts };
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

const keptMemory = (facts: KeptMemoryFacts | undefined) => (facts === undefined ? {} : { keptMemory: facts });
