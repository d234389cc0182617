import { access } from 'node:fs/promises';
import type { Allocation } from '../../protocol/allocation.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { CpuModels } from '../cpu-model/cpu-models.ts';
import { requireQemu } from '../qemu/check-qemu.ts';
import { findTakers } from '../system/network/find-takers.ts';
import { withoutPrefix } from '../system/network/ip-address.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { type AdaptSurroundings, adaptWorkspace, prepareToRun } from './adapt-workspace.ts';
import type { Adaptation } from './adaptation.ts';
import { type ChooserSettings, chooseHere, readPolicyText } from './choose.ts';
import { cpuShape } from './cpu-shapes.ts';
import { linkOf } from './lan-change.ts';
import { addressesAtStart, decideAtStart } from './network-at-start.ts';
import { requireAwake } from './require-awake.ts';

/** How long a guest that was asked to power off may take, ms; a desktop with open documents needs a while. */
const powerDownLimitMs = 120_000;

/** Closing the disk after a start that failed, ms. */
const closeLimitMs = 30_000;

export interface StartParts {
  readonly chooser: ChooserSettings;
  readonly adapting: AdaptSurroundings;
  readonly cpuModels: Pick<CpuModels, 'choose' | 'requireHere'>;
  /** Another CPU model from now on. */
  readonly cpuModel?: string | undefined;
}

/**
 * Starts a workspace that this device owns: from its saved state the first time where it has one, else from its
 * disk. Returns when the guest runs; adapting goes on in the background and is returned.
 */
export async function startWorkspace(
  workspace: Workspace,
  { chooser, adapting, cpuModels, cpuModel }: StartParts,
  signal: AbortSignal,
): Promise<Adaptation> {
  const { keeper, handOver, name } = workspace;
  requireAwake(workspace);
  if (!workspace.isOwner) {
    throw new DockError(
      'conflict',
      `the workspace "${name}" is not on this device (${workspace.status().runsOn ?? 'owned by another'}); bring it back with wdock undock`,
    );
  }
  if (keeper.machine !== undefined) throw new DockError('conflict', `the workspace "${name}" runs already`);
  await requireQemu(signal); // an older one runs, and loses memory in its first move
  if (cpuModel !== undefined) await changeCpuModel(workspace, cpuModels, cpuModel, signal);
  await cpuModels.requireHere(cpuShape(name, workspace.record.contract), signal);
  const { allocation } = await chooseHere(
    chooser,
    workspace.record.contract,
    await readPolicyText(workspace.record.policy),
    signal,
  );
  await workspace.save({ allocation, wanted: 'running' });
  const settled = settleNetwork(workspace, allocation, adapting, signal);
  settled.catch(() => undefined); // awaited when QEMU has started
  await workspace.openDisk(signal);
  const { savedState } = workspace.record;
  try {
    if (savedState !== undefined) {
      await access(savedState).catch((cause: unknown) => {
        throw new DockError('not-found', `the saved state ${savedState} of "${name}" is not there`, {
          cause,
        });
      });
      await keeper.start({ pluggedVcpus: [], requestedPluggedMemoryMiB: 0 }, { state: savedState }, signal);
      // Once it runs the state no longer fits the disk: it must never be loaded again, whatever happens from here.
      await workspace.change(({ savedState: _, ...rest }) => rest);
    } else {
      await keeper.start({ pluggedVcpus: [], requestedPluggedMemoryMiB: 0 }, { boot: true }, signal);
    }
    keeper.require().guestAddresses = await settled;
    const readiness = await prepareToRun(workspace, workspace.epoch, adapting, signal);
    await readiness.show();
    await keeper.require().qemu.qmp.execute('cont', {}, signal);
    readiness.announce();
    workspace.readiness = Promise.resolve(readiness);
  } catch (error) {
    // QEMU first: the disk's server waits for whoever is connected to it.
    await keeper.end();
    // `signal` may be what ended the start.
    await workspace.closeDisk(AbortSignal.timeout(closeLimitMs)).catch((closing: unknown) => {
      workspace.surroundings.log.error({ workspace: name, err: closing }, 'the disk could not be closed');
    });
    throw error;
  }
  await handOver.input({ in: 'resumed' });
  return adaptWorkspace(workspace, adapting);
}

/**
 * Looks how the guest can be on the network that this device is on now, which may be another one than when it ran last, and
 * returns its addresses there. Asks the LAN for up to two seconds whether somebody else has got them.
 */
async function settleNetwork(
  workspace: Workspace,
  allocation: Allocation,
  { discoverHost }: AdaptSurroundings,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (allocation.network.mode === 'nat') return workspace.record.guestAddresses;
  const link = linkOf({ profile: await discoverHost(signal), network: allocation.network });
  // On no network at this moment: nothing is known of the next one.
  if (link === undefined || link.addresses.length === 0) return workspace.record.guestAddresses;
  const addresses = addressesAtStart(link, workspace.record);
  const takers = await findTakers(link.bridge ?? link.name, addresses.map(withoutPrefix), signal);
  const { network, guestAddresses, hidden } = decideAtStart(allocation.network, addresses, takers);
  if (hidden !== undefined) {
    const { log } = workspace.surroundings;
    log.warn({ workspace: workspace.name }, `the guest is behind this device (nat): ${hidden}`);
  }
  await workspace.save({ allocation: { ...allocation, network }, guestAddresses: [...guestAddresses] });
  return guestAddresses;
}

/** Its guest finds another processor at this start; a state that was saved with the former one could not be loaded. */
async function changeCpuModel(
  workspace: Workspace,
  cpuModels: Pick<CpuModels, 'choose'>,
  wish: string,
  signal: AbortSignal,
): Promise<void> {
  const { name, record, isHome } = workspace;
  if (!isHome) {
    throw new DockError('conflict', `only the home device of "${name}" can give it another CPU model`);
  }
  const { model } = await cpuModels.choose(wish, signal);
  if (model === record.contract.cpuModel) return;
  if (record.savedState !== undefined) {
    throw new DockError(
      'conflict',
      `"${name}" starts from a saved state, which fits its CPU model ${record.contract.cpuModel} alone; start it once without --cpu-model`,
    );
  }
  await workspace.save({ contract: { ...record.contract, cpuModel: model } });
}

/** Asks the guest to power off and waits; `force` pulls the plug. The disk is closed when it is off. */
export async function stopWorkspace(
  workspace: Workspace,
  force: boolean,
  signal: AbortSignal,
): Promise<void> {
  const machine = workspace.keeper.require();
  await workspace.save({ wanted: 'stopped' });
  await workspace.adaptation?.stop(new DockError('cancelled', 'the workspace is stopped'));
  if (!force) {
    const off = AbortSignal.any([signal, AbortSignal.timeout(powerDownLimitMs)]);
    await machine.qemu.qmp.execute('system_powerdown', {}, off);
    await machine.qemu.exited(off).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new DockError(
        'timeout',
        `the guest of "${workspace.name}" did not power off within ${powerDownLimitMs / 1000} s; look at its screen, or use --force`,
        { cause },
      );
    });
  }
  await workspace.keeper.end();
  await workspace.closeDisk(signal);
  workspace.guest = undefined;
}
