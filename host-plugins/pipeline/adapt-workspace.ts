import { DockError } from '../../protocol/dock-error.ts';
import type { HostProfile } from '../../protocol/host-profile.ts';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { type AdaptOptions, adaptHere, readyForRunning } from './adapt-here.ts';
import { Adaptation } from './adaptation.ts';
import type { Clock, Emit } from './stage-clock.ts';

/** What adapting a guest to this host needs of this host. */
export interface AdaptSurroundings {
  readonly plugins: readonly ResourcePlugin[];
  readonly discoverHost: (signal: AbortSignal) => Promise<HostProfile>;
  readonly clock: Clock;
  /** The guest was read: what `status` shows has changed. */
  readonly onAdapted: (workspace: Workspace) => void;
}

/** Lays the way for a VM that is about to run here. */
export async function prepareToRun(
  workspace: Workspace,
  surroundings: AdaptSurroundings,
  signal: AbortSignal,
): Promise<void> {
  const options = await optionsFor(workspace, surroundings, () => {}, signal);
  if (options === undefined) return;
  const { log } = workspace.surroundings;
  for (const shortfall of await readyForRunning(options, signal)) {
    log.warn({ workspace: workspace.name, ...shortfall }, 'before it runs');
  }
}

/**
 * Begins to adapt the guest to this host, in the background; `workspace.adaptation` is what to wait for. One that is
 * under way is stopped first.
 */
export function adaptWorkspace(workspace: Workspace, surroundings: AdaptSurroundings): Adaptation {
  const before = workspace.adaptation;
  const adaptation = new Adaptation(workspace.epoch, async (emit, signal) => {
    await before?.stop(new DockError('cancelled', 'the guest is adapted anew'));
    const options = await optionsFor(workspace, surroundings, emit, signal);
    if (options === undefined)
      throw new DockError('conflict', `"${workspace.name}" does not run on this device`);
    const result = await adaptHere(options, signal);
    workspace.guest = result.after ?? undefined;
    if (result.state !== undefined) {
      const addresses = result.state.network.addresses;
      options.machine.guestAddresses = addresses;
      await workspace.save({ guestAddresses: addresses });
    }
    workspace.surroundings.log.info(
      { workspace: workspace.name, adaptMs: result.adaptMs, shortfalls: result.shortfalls },
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

async function optionsFor(
  workspace: Workspace,
  { plugins, discoverHost, clock }: AdaptSurroundings,
  emit: Emit,
  signal: AbortSignal,
): Promise<(AdaptOptions & { machine: { guestAddresses: readonly string[] } }) | undefined> {
  const { machine, record, surroundings, arrival } = workspace;
  if (machine === undefined || record.allocation === undefined) return undefined;
  return {
    machine,
    plugins,
    contract: record.contract,
    to: record.allocation,
    profile: await discoverHost(signal),
    host: surroundings.self.host,
    epoch: workspace.epoch,
    guest: arrival?.guest,
    emit,
    clock,
  };
}
