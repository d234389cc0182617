import { access, statfs } from 'node:fs/promises';
import { DockError } from '../../protocol/dock-error.ts';
import { HandOverMessage } from '../../protocol/hand-over-messages.ts';
import type { TrustLevel } from '../../protocol/trust-level.ts';
import type { MachineFilling, WorkspaceRecord } from '../../protocol/workspace.ts';
import type { CpuModels } from '../cpu-model/cpu-models.ts';
import type { PeerHandlers } from '../daemon/handlers.ts';
import { peerOf } from '../hand-over/position.ts';
import type { KnownPages } from '../pages/known-pages.ts';
import { requireQemu } from '../qemu/check-qemu.ts';
import { writeFileDurably } from '../system/process/write-file-durably.ts';
import { requireMemoryIsNotKept } from '../visit/read-host-memory.ts';
import { requireVisitorKernel } from '../visit/require-visitor-kernel.ts';
import { prepareToRun } from './adapt-workspace.ts';
import type { Adaptation } from './adaptation.ts';
import { Arrival } from './arrival.ts';
import type { ChooserSettings } from './choose.ts';
import { chooseForPeer, requireAllowed } from './choose-for-peer.ts';
import { offerImage } from './claim-image.ts';
import { cpuShape } from './cpu-shapes.ts';
import { requireRunningHere, startTrip, type TripHandlersParts } from './trip-handlers.ts';

/** State and runtime folders hold some logs and sockets, MiB. */
const freeDiskMiB = 64;

export interface PeerHandlersParts extends TripHandlersParts {
  readonly chooser: ChooserSettings;
  readonly cpuModels: CpuModels;
  readonly pages: KnownPages;
  /** Throws where this device takes no pages ahead from that one. */
  readonly mayTakeAhead: (deviceId: string) => void;
  readonly version: string;
  readonly stateFolder: string;
  readonly runtimeFolder: string;
  /** Folders of kernels that machines of other people's devices may boot. */
  readonly visitorKernels: readonly string[];
}

export function peerHandlers(parts: PeerHandlersParts): PeerHandlers {
  const { workspaces, chooser, cpuModels, trust } = parts;
  const { anchors } = parts.trips;
  const involved = (workspaceName: string, deviceId: string) => {
    const workspace = workspaces.get(workspaceName);
    const concerned = [
      workspace.record.homeDevice,
      peerOf(workspace.handOver.state.position),
      workspace.expected,
    ];
    if (concerned.includes(deviceId)) return workspace;
    throw new DockError('peer-refused', `your device has no part in the workspace "${workspaceName}"`);
  };
  return {
    describe: async (_params, { signal }) => ({
      name: chooser.deviceName,
      version: parts.version,
      profile: await chooser.discoverHost(signal),
    }),
    'cpu-capability': async ({ models }, { signal }) => await cpuModels.answer(models, signal),
    choose: async (params, { caller, signal }) => {
      const { profile, allocation, decisions, move } = await chooseForPeer(
        parts,
        caller.deviceId,
        params,
        signal,
      );
      return { profile, allocation, decisions, move };
    },
    prepare: async (params, { caller, signal }) => {
      workspaces.requireReadable(params.workspace);
      await inOrder([
        requireQemu(signal),
        cpuModels.requireHere(cpuShape(params.workspace, params.contract), signal),
        ...(params.keepNothing === true ? [requireMemoryIsNotKept()] : []),
        requireAllowed(parts, caller.deviceId, params, signal),
      ]);
      const known = workspaces.find(params.workspace);
      // One that was here before keeps the machine that it had then.
      const { kernel } = (known?.record ?? params).contract;
      const believed = known?.isHome === true || trust.byId(caller.deviceId)?.trust === 'owned';
      if (kernel !== undefined && !believed) {
        await requireVisitorKernel([kernel.image, kernel.initrd], parts.visitorKernels);
      }
      await requireRoom(parts, params.contract.kernel);
      const home = trust.byId(params.homeDevice);
      if (known?.isHome !== true && home === undefined) {
        throw new DockError(
          'untrusted',
          `"${params.workspace}" belongs to a device that this one does not know`,
        );
      }
      const record: WorkspaceRecord = {
        format: 1,
        name: params.workspace,
        homeDevice: params.homeDevice,
        contract: params.contract,
        wanted: 'running',
        disk: { path: '', format: 'raw' },
        guestAddresses: params.guestAddresses,
        allocation: params.allocation,
        ...keepNothing(params),
      };
      const workspace = await workspaces.welcome(record);
      if (workspace.record.homeDevice !== params.homeDevice) {
        throw new DockError('conflict', `"${params.workspace}" has another home device here`);
      }
      if (workspace.handOver.state.position.at !== 'away') {
        throw new DockError(
          'conflict',
          `"${params.workspace}" is ${workspace.status().state} on this device`,
        );
      }
      const { contract } = workspace.record;
      const { cpuModel } = params.contract;
      if (workspace.isHome && contract.cpuModel !== cpuModel) {
        throw new DockError(
          'conflict',
          `"${params.workspace}" has the CPU model ${contract.cpuModel} at its home, and comes with ${cpuModel}`,
        );
      }
      if (workspace.activity.kind !== 'idle') {
        throw new DockError(
          'conflict',
          `"${params.workspace}" is busy on this device (${workspace.activity.kind})`,
        );
      }
      await workspace.arrival?.drop(signal);
      if (params.policy !== undefined && !workspace.isHome) {
        await writeFileDurably(workspace.paths.policy, params.policy.text);
        await workspace.save({ policy: workspace.paths.policy });
      }
      const { isHome } = workspace;
      await workspace.change(({ keepNothing: _, ...kept }) => ({
        ...kept,
        contract: { ...contract, cpuModel }, // its home may have given it another one since it was here
        allocation: params.allocation,
        guestAddresses: params.guestAddresses,
        ...(isHome ? {} : keepNothing(params)),
      }));
      const { surroundings, highestEpoch } = workspace;
      const source = caller.deviceId;
      const memory = workspace.mayKeepMemory(source) ? { peer: source, epoch: highestEpoch } : undefined;
      const offered = await surroundings.pages.offer(workspace.keptMemory, memory);
      workspace.arrival = new Arrival(workspace, { source, epoch: params.epoch, offered }, (epoch, laying) =>
        prepareToRun(workspace, epoch, parts.adapting, laying),
      );
      await workspace.handOver.input({ in: 'expect', peer: source });
      return { pages: [...offered.facts] };
    },
    'warm-up': async ({ workspace: name, uuid }, { caller }) => {
      const { pages, mayTakeAhead } = parts;
      mayTakeAhead(caller.deviceId);
      const known = workspaces.find(name);
      const kept = known?.record.contract.uuid === uuid ? known : undefined;
      const place = kept?.keptMemory ?? { name, uuid, folder: '' };
      const epoch = kept?.highestEpoch ?? -1;
      await using offered = await pages.offer(place, { peer: caller.deviceId, epoch });
      return { pages: [...offered.facts], maxMiB: pages.warm.maxMiB };
    },
    receive: async (params, { caller, signal }) => {
      const workspace = involved(params.workspace, caller.deviceId);
      const { arrival } = workspace;
      if (arrival === undefined || arrival.source !== caller.deviceId || arrival.epoch !== params.epoch) {
        throw new DockError(
          'conflict',
          `"${params.workspace}" was not prepared for epoch ${params.epoch} here`,
        );
      }
      requireFilling(workspace.record, params.filling, trust.byId(caller.deviceId)?.trust);
      const { anchor } = params.lanChange ?? {};
      if (anchor !== undefined && anchor.deviceId !== caller.deviceId) {
        throw new DockError(
          'peer-refused',
          'a device can keep addresses for a guest itself, and name no other',
        );
      }
      // `prepare` was told of those that it had before it was looked at.
      await workspace.save({ guestAddresses: params.guestAddresses });
      try {
        const recalled = await anchors.arriving(workspace, params.lanChange, signal);
        await arrival.receive(
          recalled.length === 0 ? params : { ...params, guestAddresses: [...recalled] },
          signal,
        );
      } catch (error) {
        await anchors.abandoned(workspace);
        throw error;
      }
      return {};
    },
    claim: async ({ workspace: name, image }, { caller, signal }) => {
      const workspace = workspaces.get(name);
      if (!workspace.isHome || trust.byId(caller.deviceId)?.trust !== 'owned') {
        throw new DockError(
          'peer-refused',
          `your device may not resume "${name}" from an image: its home, this device, has to trust it as owned`,
        );
      }
      return { epoch: await offerImage(workspace, image, caller.deviceId, signal) };
    },
    abandon: async ({ workspace: name, epoch, reason }, { caller, signal }) => {
      const workspace = workspaces.find(name);
      const arrival = workspace?.arrival;
      if (workspace === undefined || arrival?.source !== caller.deviceId || arrival.epoch !== epoch)
        return {};
      if (workspace.isOwner) return {};
      await workspace.handOver.input({ in: 'cancel', reason });
      await workspace.handOver.input({ in: 'expect', peer: undefined });
      await arrival.drop(signal);
      workspace.arrival = undefined;
      await anchors.abandoned(workspace);
      return {};
    },
    'hand-over': async ({ workspace: name, message }, { caller }) => {
      const parsed = HandOverMessage.safeParse(message);
      if (!parsed.success || parsed.data.workspace !== name) {
        throw new DockError('protocol', `not a hand-over message for "${name}"`);
      }
      const workspace = workspaces.get(name);
      await workspace.handOver.receive(caller.deviceId, parsed.data);
      return {};
    },
    'await-adapted': async ({ workspace: name, epoch }, { caller, progress }) => {
      const workspace = involved(name, caller.deviceId);
      const adaptation = workspace.adaptation as Adaptation | undefined;
      if (adaptation?.epoch !== epoch) {
        throw new DockError('conflict', `"${name}" does not run here in epoch ${epoch}`);
      }
      using _listening = adaptation.listen(progress);
      const { adaptMs, after, shortfalls, stages } = await adaptation.result;
      return { adaptMs, after, shortfalls: [...shortfalls, ...anchors.shortfalls(workspace)], stages };
    },
    undock: async ({ workspace: name }, { caller, progress, signal }) => {
      const workspace = involved(name, caller.deviceId);
      if (workspace.record.homeDevice !== caller.deviceId) {
        throw new DockError('peer-refused', `only the home device of "${name}" may call it back`);
      }
      requireRunningHere(workspace);
      return await startTrip(parts, workspace, 'undock', trust.find(caller.deviceId), progress, signal);
    },
    cancel: async ({ workspace: name }, { caller }) => {
      const workspace = involved(name, caller.deviceId);
      if (workspace.activity.kind !== 'trip')
        throw new DockError('conflict', `no move of "${name}" is under way`);
      workspace.activity.cancel(new DockError('cancelled', 'the move was cancelled by its user'));
      return {};
    },
    'workspace-status': async ({ workspace: name }, { caller }) => {
      const workspace = involved(name, caller.deviceId);
      return {
        epoch: workspace.epoch,
        owner: workspace.isOwner,
        running: workspace.machine !== undefined,
        guest: workspace.guest ?? null,
      };
    },
  };
}

const keepNothing = (params: { keepNothing?: true | undefined }): { keepNothing?: true } =>
  params.keepNothing === true ? { keepNothing: true } : {};

/** Checks that were begun at once; throws what the first of them in this order throws. */
async function inOrder(checks: readonly Promise<unknown>[]): Promise<void> {
  const ends = await Promise.allSettled(checks);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** The memory that is plugged when it comes is a part of what it was given. A device of the user's own is believed. */
function requireFilling(
  { contract, allocation }: WorkspaceRecord,
  { requestedPluggedMemoryMiB }: MachineFilling,
  level: TrustLevel | undefined,
): void {
  const memoryMiB = contract.baseMemoryMiB + requestedPluggedMemoryMiB;
  if (level === 'owned' || allocation === undefined || memoryMiB <= allocation.memoryMiB) return;
  throw new DockError(
    'peer-refused',
    `a machine of ${memoryMiB} MiB comes, and ${allocation.memoryMiB} MiB were given`,
  );
}

/** Refuses before anything has begun what would fail in the middle. */
export async function requireRoom(
  { stateFolder, runtimeFolder }: Pick<PeerHandlersParts, 'stateFolder' | 'runtimeFolder'>,
  kernel: { image: string; initrd: string } | undefined,
): Promise<void> {
  for (const folder of [stateFolder, runtimeFolder]) {
    const { bavail, bsize } = await statfs(folder);
    const freeMiB = (bavail * bsize) / (1024 * 1024);
    if (freeMiB < freeDiskMiB) {
      throw new DockError(
        'does-not-fit',
        `${folder} has ${Math.floor(freeMiB)} MiB left, and a visiting workspace needs ${freeDiskMiB}; free some space`,
        { detail: { folder, freeMiB: Math.floor(freeMiB), neededMiB: freeDiskMiB } },
      );
    }
  }
  for (const file of kernel === undefined ? [] : [kernel.image, kernel.initrd]) {
    await access(file).catch((cause: unknown) => {
      throw new DockError(
        'missing-dependency',
        `the workspace boots from ${file}, which is not on this device`,
        { cause },
      );
    });
  }
}
