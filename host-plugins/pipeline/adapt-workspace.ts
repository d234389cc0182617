import { DockError } from '../../protocol/dock-error.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { type AdaptOptions, adaptHere } from './adapt-here.ts';
import { Adaptation } from './adaptation.ts';
import { Readiness } from './readiness.ts';
import type { Clock, Emit } from './stage-clock.ts';

/** What adapting a guest to this host needs of this host. */
export interface AdaptSurroundings {
  readonly plugins: readonly ResourcePlugin[];
  readonly discoverHost: (signal: AbortSignal) => Promise<HostProfile>;
  readonly clock: Clock;
  /** The guest was read: what `status` shows has changed. */
  readonly onAdapted: (workspace: Workspace) => void;
}

/** Lays the way for a VM that will run here in this epoch. Throws `conflict` when there is no machine for it. */
export async function prepareToRun(
  workspace: Workspace,
  epoch: number,
  surroundings: AdaptSurroundings,
  signal: AbortSignal,
): Promise<Readiness> {
  const options = optionsFor(workspace, surroundings, () => {});
  return await Readiness.lay({ ...options, epoch }, signal);
}

/**
 * Begins to adapt the guest to this host, in the background; `workspace.adaptation` is what to wait for. One that is
 * under way is stopped first.
 */
export function adaptWorkspace(workspace: Workspace, surroundings: AdaptSurroundings): Adaptation {
  const before = workspace.adaptation;
  const prepared = workspace.readiness?.catch(() => undefined); // what could not be laid is then tried again
  workspace.readiness = undefined;
  const adaptation = new Adaptation(workspace.epoch, async (emit, signal) => {
    await before?.stop(new DockError('cancelled', 'the guest is adapted anew'));
    const options = optionsFor(workspace, surroundings, emit);
    const result = await adaptHere(options, await prepared, signal);
    workspace.guest = result.after ?? undefined;
    if (result.state !== undefined) {
      const addresses = result.state.network.addresses;
      options.machine.guestAddresses = addresses;
      await workspace.save({ guestAddresses: addresses });
    }
    workspace.surroundings.log.info(
      {
        workspace: workspace.name,
        adaptMs: result.adaptMs,
        // They name what is in the guest.
        ...(workspace.record.keepNothing === true ? {} : { shortfalls: result.shortfalls }),
      },
      'adapted',
    );
    surroundings.onAdapted(workspace);
    return result;
  });
  workspace.adaptation = adaptation;
  adaptation.result.catch((error: unknown) => {
    if (workspace.adaptation !== adaptation) return;
    workspace.surroundings.log.warn({ workspace: workspace.name, err: error }, 'adapting has ended early');
  });
  return adaptation;
}

function optionsFor(
  workspace: Workspace,
  { plugins, discoverHost, clock }: AdaptSurroundings,
  emit: Emit,
): AdaptOptions & { machine: { guestAddresses: readonly string[] } } {
  const { machine, record, surroundings, arrival } = workspace;
  if (machine === undefined || record.allocation === undefined) {
    throw new DockError('conflict', `"${workspace.name}" does not run on this device`);
  }
  return {
    machine,
    plugins,
    contract: record.contract,
    to: record.allocation,
    discoverHost,
    host: surroundings.self.host,
    epoch: workspace.epoch,
    guest: arrival?.guest,
    lanChange: record.lanChange,
    guarded: record.keepNothing === true,
    emit,
    clock,
  };
}
