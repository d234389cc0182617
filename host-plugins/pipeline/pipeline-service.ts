import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import type { Logger } from 'pino';
import type { HostDescription } from '../../protocol/agent-channel.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { ProgressEvent } from '../../protocol/progress-event.ts';
import type { ResourcePlugin } from '../contract/resource-plugin.ts';
import { CpuModels } from '../cpu-model/cpu-models.ts';
import { OwnCpu } from '../cpu-model/own-cpu.ts';
import { ToldCpus } from '../cpu-model/told-cpus.ts';
import type { DaemonConfig } from '../daemon/config.ts';
import type { DeviceDirectory } from '../daemon/device-directory.ts';
import type { ControlHandlers, HostCheck, MeetDevice, PeerHandlers, Peers } from '../daemon/handlers.ts';
import type { Service } from '../daemon/lifecycle.ts';
import type { Renewal } from '../daemon/renewal.ts';
import type { WatchHub } from '../daemon/watch-hub.ts';
import { BaseImages } from '../pages/disk/base-images.ts';
import { KeptMemory } from '../pages/kept/kept-memory.ts';
import { keptMemoryKey } from '../pages/kept/seal.ts';
import { KnownPages } from '../pages/known-pages.ts';
import { WarmImages } from '../pages/warm/warm-images.ts';
import type { Identity } from '../pairing/identity.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import type { WorkspacePlaces } from '../presence/workspace-places.ts';
import { readAccelerator } from '../qemu/accelerator.ts';
import type { HostInventory } from '../system/host-inventory/host-inventory.ts';
import type { HostNetwork } from '../system/network/host-network.ts';
import type { Channels } from '../tunnel/channels.ts';
import { channelNames } from '../workspace/paths.ts';
import type { Workspace } from '../workspace/workspace.ts';
import { WorkspaceStore } from '../workspace/workspace-store.ts';
import { type AdaptSurroundings, adaptWorkspace } from './adapt-workspace.ts';
import { Anchors } from './anchors.ts';
import { bottomImages } from './bottom-images.ts';
import { type ChooserSettings, chooseHere, readPolicyText } from './choose.ts';
import { cpuCheck, shapesFor } from './cpu-shapes.ts';
import { deviceStateHandlers } from './device-handlers.ts';
import { peerHandlers, requireRoom } from './peer-handlers.ts';
import { shareBriefly } from './share-briefly.ts';
import { systemClock } from './stage-clock.ts';
import { suspendHandlers } from './suspend-handlers.ts';
import { type TripHandlersParts, tripHandlers } from './trip-handlers.ts';
import { workspaceHandlers } from './workspace-handlers.ts';
import { workspacePlaces } from './workspace-places.ts';
import { Workspaces } from './workspaces.ts';

export interface PipelineParts {
  readonly config: DaemonConfig;
  readonly log: Logger;
  readonly identity: Identity;
  readonly trust: TrustStore;
  readonly peers: Peers;
  readonly channels: Channels;
  readonly devices: DeviceDirectory;
  readonly hub: WatchHub;
  readonly plugins: readonly ResourcePlugin[];
  readonly network: HostNetwork;
  readonly inventory: HostInventory;
  readonly checks: readonly HostCheck[];
  readonly renewal: Renewal;
  readonly version: string;
}

const bytesPerMegabit = 125_000;
/** What this host is does not change within this, for who plans a move, ms. */
const profileForMs = 500;

/** The workspaces of this device and their trips, as a part of wdockd. */
export class PipelineService implements Service {
  readonly name = 'pipeline';
  /** Before the doors open: whoever asks finds the workspaces as they are. */
  readonly stage = 'prepare';
  readonly controlHandlers: ControlHandlers;
  readonly peerHandlers: PeerHandlers;
  /** For the triggers. */
  readonly places: WorkspacePlaces;
  /** For pairing. */
  readonly meet: MeetDevice;
  readonly #cpuModels: CpuModels;
  readonly #pages: KnownPages;
  readonly #parts: PipelineParts;
  readonly #workspaces: Workspaces;

  constructor(parts: PipelineParts) {
    const { config, log, identity, trust, peers, channels, devices, hub, plugins, network, inventory } =
      parts;
    const { renewal } = parts;
    this.#parts = parts;
    const self = devices.self();
    const host: HostDescription = {
      name: self.name,
      deviceClass: config.device.class,
      simulated: self.simulated ?? false,
    };
    const discoverHost = (signal: AbortSignal) => inventory.discoverHost(signal);
    // A trip asks for it several times in a moment, for what it would get, and for what it gets.
    const discoverForTrips = shareBriefly(discoverHost, profileForMs, () => systemClock.monotonic());
    const chooser: ChooserSettings = {
      policyFolders: config.policies,
      deviceName: config.device.name,
      discoverHost: discoverForTrips,
    };
    const onChange = (workspace: Workspace): void => {
      hub.publish({ kind: 'workspace', at: systemClock.wall(), status: workspace.status() });
    };
    const anchors: Anchors = new Anchors({
      log,
      now: () => systemClock.wall(),
      discoverHost,
      ruleFor: async ({ record }, signal) => {
        if (record.keepNothing === true)
          return { use: 'never', forMs: 0, rule: 'nothing of it is kept here' };
        const policy = await readPolicyText(record.policy);
        return (await chooseHere(chooser, record.contract, policy, signal)).anchor;
      },
      readapt: async (workspace) => void (await adaptWorkspace(workspace, adapting).result),
      onChange,
    });
    const adapting: AdaptSurroundings = {
      plugins,
      discoverHost,
      clock: systemClock,
      onAdapted: (workspace) => {
        onChange(workspace);
        anchors.adapted(workspace).catch((error: unknown) => {
          log.error({ workspace: workspace.name, err: error }, 'what the guest keeps could not be noted');
        });
      },
    };
    const store = new WorkspaceStore(config.stateFolder, config.runtimeFolder);
    const pages = new KnownPages(
      new KeptMemory({
        key: keptMemoryKey(identity.privateKeyPem),
        settings: config.keptMemory,
        folders: () => this.#workspaces.list().map(({ paths }) => paths.keptMemory),
        now: () => systemClock.wall(),
        log,
      }),
      new BaseImages({
        folders: config.baseImages,
        backingFiles: (signal) => bottomImages(this.#workspaces.list(), signal),
        stateFolder: join(config.stateFolder, 'base-images'),
        runtimeFolder: config.runtimeFolder,
        log,
      }),
      new WarmImages({
        key: keptMemoryKey(identity.privateKeyPem),
        folder: join(config.stateFolder, 'warm'),
        settings: config.warmUp,
        now: () => systemClock.wall(),
        log,
      }),
    );
    const mayTakeAhead = (deviceId: string): void => {
      const { trust: level } = trust.byId(deviceId) ?? {};
      if (config.warmUp.accept && config.device.class !== 'kiosk' && level !== undefined && level !== 'kiosk')
        return;
      throw new DockError('peer-refused', `"${self.name}" takes no pages ahead from this device`);
    };
    channels.accept(channelNames.warm('*'), async ({ deviceId, deviceName }) => {
      mayTakeAhead(deviceId);
      const [outer, inner] = duplexPair();
      pages.warm.receive(deviceId, inner).catch((error: unknown) => {
        log.info({ peer: deviceName, err: error }, 'pages that came ahead ended early');
        inner.destroy();
      });
      return outer;
    });
    this.#pages = pages;
    const cpuModels = new CpuModels({
      deviceName: self.name,
      own: new OwnCpu(),
      told: new ToldCpus(join(config.stateFolder, 'cpus.json'), (why) =>
        log.warn({ err: why }, 'what other devices can is asked again'),
      ),
      trust,
      peers,
      log,
      modelsInUse: () => this.#workspaces.list().map(({ record }) => record.contract.cpuModel),
    });
    this.#cpuModels = cpuModels;
    this.meet = async (device) => await cpuModels.meet(device, shapesFor(this.#workspaces.list(), device.id));
    this.#workspaces = new Workspaces({
      surroundings: {
        self: { id: identity.id, host },
        store,
        channels,
        network,
        pages,
        accelerator: async () => (await readAccelerator()).accelerator,
        log,
        trustOf: (id) => trust.byId(id)?.trust,
        nameOf: (id) => (id === identity.id ? self.name : (trust.byId(id)?.name ?? id.slice(0, 12))),
      },
      adapting,
      peers,
      chooser,
      cpuModels,
      anchors,
      onChange,
      onVisitOver: ({ name }) => renewal.request(`"${name}" has left, and nothing of it is kept`),
    });
    const { maxBandwidthMbitPerS, timeLimitMinutes, ...limits } = config.migration;
    const trips: TripHandlersParts = {
      workspaces: this.#workspaces,
      trust,
      peers,
      adapting,
      timeLimitMs: timeLimitMinutes * 60_000,
      onEnd: onChange,
      publish: (workspace, event) => {
        hub.publish({ kind: 'trip', at: systemClock.wall(), workspace, event });
        if (event.kind === 'stage-progress') return;
        const quiet = this.#workspaces.find(workspace)?.record.keepNothing === true;
        log.info({ workspace, ...(quiet ? withoutContent(event) : event) }, 'trip');
      },
      trips: {
        peers,
        plugins,
        clock: systemClock,
        anchors,
        cpuModels,
        discoverHost: discoverForTrips,
        linkRates: new Map(),
        limits: {
          ...limits,
          ...(maxBandwidthMbitPerS === undefined
            ? {}
            : { maxBandwidthBytesPerS: Math.round(maxBandwidthMbitPerS * bytesPerMegabit) }),
        },
      },
    };
    const tripCalls = tripHandlers(trips);
    this.places = workspacePlaces(this.#workspaces, tripCalls);
    this.controlHandlers = {
      ...workspaceHandlers({
        workspaces: this.#workspaces,
        store,
        trust,
        peers,
        chooser,
        adapting,
        selfId: identity.id,
        cpuModels,
        warming: { peers, maxBytesPerS: config.warmUp.maxMbitPerS * bytesPerMegabit },
      }),
      ...tripCalls,
      ...suspendHandlers({
        identity,
        trust,
        workspaces: this.#workspaces,
        peers,
        chooser,
        adapting,
        anchors,
        cpuModels,
        requireRoom: async ({ kernel }) => await requireRoom(config, kernel),
        clock: systemClock,
        onEnd: onChange,
      }),
      ...deviceStateHandlers({
        workspaces: this.#workspaces,
        devices,
        trust,
        peers,
        plugins,
        chooser,
        checks: [...parts.checks, cpuCheck(cpuModels, trust, () => this.#workspaces.list())],
        version: parts.version,
      }),
    };
    this.peerHandlers = peerHandlers({
      ...trips,
      chooser,
      cpuModels,
      pages,
      mayTakeAhead,
      version: parts.version,
      stateFolder: config.stateFolder,
      runtimeFolder: config.runtimeFolder,
      visitorKernels: config.visitorKernels,
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#parts.renewal.waitFor(() => this.#workspaces.underWay());
    this.#parts.peers.on('reachable', (device) => this.#workspaces.linkUp(device.id));
    await this.#workspaces.recover(signal);
    this.#cpuModels.begin();
    const { trust } = this.#parts;
    this.#pages.begin(this.#workspaces.list(), (id) => trust.byId(id) !== undefined);
    this.#followTrust();
  }

  async stop(): Promise<void> {
    for (const workspace of this.#workspaces.list()) {
      if (workspace.activity.kind === 'trip') {
        workspace.activity.cancel(new DockError('cancelled', 'wdockd is stopping'));
      }
    }
    await this.#workspaces.close();
    await this.#pages[Symbol.asyncDispose]();
  }

  /** Memory that is kept for the way from a device, or at it, goes with the trust in it. */
  #followTrust(): void {
    const { trust, log } = this.#parts;
    const forget = (id: string): void => {
      this.#pages.forgetDevice(this.#workspaces.list(), id).catch((error: unknown) => {
        log.error({ device: id, err: error }, 'memory that is kept because of it could not be removed');
      });
    };
    trust.on('forgotten', (device) => forget(device.id));
    trust.on('changed', (device) => {
      if (device.trust === 'kiosk') forget(device.id);
    });
  }
}

/** Of a visitor of which nothing is kept: messages and outcomes name what is in the guest. */
function withoutContent(event: ProgressEvent): object {
  return { kind: event.kind, at: event.at, ...('stage' in event ? { stage: event.stage } : {}) };
}
