import type { Check } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { MachineContract } from '../../protocol/workspace.ts';
import type { CpuModels } from '../cpu-model/cpu-models.ts';
import type { CpuShape } from '../cpu-model/judge-move.ts';
import type { HostCheck } from '../daemon/handlers.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import type { Workspace } from '../workspace/workspace.ts';

export function cpuShape(name: string, { cpuModel, machineType }: MachineContract): CpuShape {
  return { name, cpuModel, machineType };
}

/** Of the workspaces that this device may send to the other one: those at home here, and those that run here. */
export function shapesFor(workspaces: readonly Workspace[], deviceId: string): CpuShape[] {
  return workspaces
    .filter(({ isHome, isOwner, record }) => (isHome || isOwner) && record.homeDevice !== deviceId)
    .map(({ name, record }) => cpuShape(name, record.contract));
}

/** For `wdock doctor`: what guests get as CPU, and which workspace cannot go where. */
export function cpuCheck(cpuModels: CpuModels, trust: TrustStore, workspaces: () => Workspace[]): HostCheck {
  return async (signal) => {
    try {
      const { detail } = await cpuModels.common(signal);
      const dockings = await Promise.all(
        trust
          .list()
          .map((device) => cpuModels.dockings(shapesFor(workspaces(), device.id), [device], signal)),
      );
      return [
        { name: 'cpu', state: 'ok', detail: `new workspaces get the ${detail}` },
        ...dockings
          .flat()
          .filter(({ can }) => can === 'no')
          .map(
            ({ workspace, detail: why, remedy }): Check => ({
              name: `cpu of ${workspace}`,
              state: 'warning',
              detail: why,
              ...(remedy === undefined ? {} : { remedy }),
            }),
          ),
      ];
    } catch (error) {
      signal.throwIfAborted();
      return [{ name: 'cpu', state: 'failed', detail: DockError.from(error).message }];
    }
  };
}
