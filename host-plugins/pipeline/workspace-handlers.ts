import { DockError } from '../../protocol/dock-error.ts';
import { MachineContract, type WorkspaceRecord } from '../../protocol/workspace.ts';
import type { ControlHandlers } from '../daemon/handlers.ts';
import {
  defaultBaseMemoryMiB,
  defaultMaxPluggedMemoryMiB,
  machineType,
} from '../workspace/typical-contract.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { type AdaptSurroundings, adaptWorkspace } from './adapt-workspace.ts';
import type { ChooserSettings } from './choose.ts';
import { startWorkspace, stopWorkspace } from './start-workspace.ts';
import { newMacAddress, newMachineIds, type Workspaces } from './workspaces.ts';

export interface WorkspaceHandlersParts {
  readonly workspaces: Workspaces;
  readonly chooser: ChooserSettings;
  readonly adapting: AdaptSurroundings;
  readonly selfId: string;
  readonly cpuModel: (signal: AbortSignal) => Promise<string>;
}

export function workspaceHandlers(parts: WorkspaceHandlersParts): ControlHandlers {
  const { workspaces, chooser, adapting } = parts;
  const status = (workspace: Workspace) => workspace.status();
  return {
    'workspace.create': async (params, { signal }) => {
      const { kernel, savedState, policy } = params;
      const ids = newMachineIds();
      const record: WorkspaceRecord = {
        format: 1,
        name: params.name,
        homeDevice: parts.selfId,
        contract: MachineContract.parse({
          machineType,
          cpuModel: await parts.cpuModel(signal),
          baseMemoryMiB: params.baseMemoryMiB ?? defaultBaseMemoryMiB,
          maxPluggedMemoryMiB: params.maxPluggedMemoryMiB ?? defaultMaxPluggedMemoryMiB,
          uuid: params.uuid ?? ids.uuid,
          generationId: ids.generationId,
          macAddress: params.macAddress ?? newMacAddress(),
          ...(params.maxVcpus === undefined ? {} : { maxVcpus: params.maxVcpus }),
          ...(kernel === undefined ? {} : { kernel }),
        }),
        wanted: 'stopped',
        disk: { path: params.disk, format: params.disk.endsWith('.qcow2') ? 'qcow2' : 'raw' },
        guestAddresses: params.guestAddresses ?? [],
        ...(savedState === undefined ? {} : { savedState }),
        ...(policy === undefined ? {} : { policy }),
      };
      return status(await workspaces.create(record));
    },
    'workspace.list': async () => workspaces.list().map(status),
    'workspace.show': async ({ name }) => {
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
