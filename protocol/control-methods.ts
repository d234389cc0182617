import { z } from 'zod';
import { Resource } from './allocation.ts';
import { CpuModelChoice, Docking } from './docking.ts';
import { DeviceClass, HostProfile } from './host-profile.ts';
import { TripOutcome } from './outcome.ts';
import { PresenceStatus } from './presence.ts';
import { ProgressEvent } from './progress-event.ts';
import { ResumeOutcome, SuspendOutcome } from './suspension.ts';
import { TrustLevel } from './trust-level.ts';
import { WorkspaceName } from './workspace.ts';

/** What wdock may ask of the wdockd of the same device, over its unix socket. */

/** Addresses of another LAN that stay reachable while the guest is away from it (docs/networking.md). */
export const AnchorStatus = z.strictObject({
  /** `keeps`: this device answers for them; `carries`: the guest is here, and this device carries their traffic. */
  role: z.enum(['keeps', 'carries']),
  addresses: z.array(z.string()),
  /** The device at the other end, by its name here. */
  device: z.string(),
  link: z.enum(['connected', 'connecting']),
  /** Why it is not connected. */
  detail: z.string().optional(),
  /** When it ends at the latest, ISO 8601; where it is kept. */
  until: z.string().optional(),
  /** Open connections of the guest from these addresses, as last asked; where it is carried. */
  connections: z.int().min(0).optional(),
});
export type AnchorStatus = z.infer<typeof AnchorStatus>;

export const WorkspaceStatus = z.strictObject({
  name: WorkspaceName,
  /** Absent where the record cannot be read. */
  homeDevice: z.string().optional(),
  /**
   * `here`: this device owns it and it runs here; `stopped`: owned here and not running; `away`: another device
   * owns it; `suspended`: it runs nowhere, its memory is in a directory, `detail` says which; `moving`: in a hand-over; `stuck`: a person has to look, `detail` says why and what to do;
   * `broken`: its record or journal cannot be read, and all but showing it is refused; `detail` as well.
   */
  state: z.enum(['here', 'stopped', 'suspended', 'away', 'moving', 'stuck', 'broken']),
  runsOn: z.string().optional(),
  /** Absent where it is broken. */
  epoch: z.int().optional(),
  detail: z.string().optional(),
  /** Read in the guest where the agent answers. */
  guest: z
    .strictObject({
      vcpus: z.int(),
      memoryMiB: z.number(),
      display: z.string().optional(),
      network: z.string().optional(),
      agentVersion: z.string(),
    })
    .optional(),
  anchor: AnchorStatus.optional(),
});
export type WorkspaceStatus = z.infer<typeof WorkspaceStatus>;

/** One way that the session with a device has (docs/tunnel.md). */
export const LinkStatus = z.strictObject({
  /** The addresses of its two ends. */
  local: z.string(),
  remote: z.string(),
  /** The shortest that was seen of the last ten to twenty seconds in which it was used. */
  roundTripMs: z.number().min(0).optional(),
  /** What it has carried from here, all in all, and the other end has acknowledged. */
  carriedBytes: z.number().min(0),
});
export type LinkStatus = z.infer<typeof LinkStatus>;

export const DeviceStatus = z.strictObject({
  id: z.string(),
  name: z.string(),
  deviceClass: DeviceClass.optional(),
  fingerprint: z.string(),
  address: z.string().optional(),
  /** As its user said here; absent for this device itself. */
  trust: TrustLevel.optional(),
  reachable: z.boolean(),
  /** How near it is; absent where nothing here can tell. */
  presence: PresenceStatus.optional(),
  simulated: z.boolean().optional(),
  /** Of the session with it; absent while there is none, which is so while nothing uses it. */
  links: z.array(LinkStatus).optional(),
  /** This device itself. */
  self: z.boolean(),
});
export type DeviceStatus = z.infer<typeof DeviceStatus>;

export const Check = z.strictObject({
  name: z.string(),
  state: z.enum(['ok', 'warning', 'failed']),
  detail: z.string(),
  /** What to do about it. */
  remedy: z.string().optional(),
});
export type Check = z.infer<typeof Check>;

export const PluginReport = z.strictObject({
  resource: Resource,
  abilities: z.strictObject({ hotplug: z.boolean(), survivesMigration: z.boolean() }),
  can: z.array(z.string()),
  /** What it cannot do on this host, each with the reason. */
  cannot: z.array(z.string()),
});
export type PluginReport = z.infer<typeof PluginReport>;

export const Decision = z.strictObject({
  /** What was decided, e.g. `memory.mib`. */
  what: z.string(),
  value: z.string(),
  /** The rule that made it, e.g. `desktop.yaml:7 memory.share`. */
  rule: z.string(),
  because: z.string(),
});
export type Decision = z.infer<typeof Decision>;

/** A pairing code while it is good, and where this device is reached with it. */
export const PairingCode = z.strictObject({
  code: z.string().regex(/^\d{6}$/),
  expiresInMs: z.number(),
  port: z.int(),
  addresses: z.array(z.string()),
});
export type PairingCode = z.infer<typeof PairingCode>;

const Paired = z.strictObject({
  device: DeviceStatus,
  /** Of this device, for the user to see the same one on the other screen. */
  ownFingerprint: z.string(),
  /** What new workspaces get as CPU from now on; absent where this device cannot tell. */
  cpuModel: CpuModelChoice.optional(),
  /** What the other device is to the workspaces that there are. */
  docking: z.array(Docking).optional(),
});

/** What is kept of a VM's memory on this device (docs/kept-memory.md); absent where there is nothing. */
export const KeptMemoryFacts = z.strictObject({
  /** On the disk. */
  bytes: z.number(),
  /** When the VM's memory was kept as it left, ms since 1970; absent where only lists of other devices are. */
  at: z.number().optional(),
});
export type KeptMemoryFacts = z.infer<typeof KeptMemoryFacts>;

export const WarmUpProgress = z.strictObject({ pages: z.int(), ofPages: z.int(), wireBytes: z.int() });
export type WarmUpProgress = z.infer<typeof WarmUpProgress>;

/** What a warm-up has come to. */
export const WarmUpOutcome = z.strictObject({
  /** That were sent ahead. */
  pages: z.int(),
  /** That the other device had before, of those with content. */
  known: z.int(),
  wireBytes: z.int(),
  /** Not ended before all were sent. */
  whole: z.boolean(),
});
export type WarmUpOutcome = z.infer<typeof WarmUpOutcome>;

const Nothing = z.strictObject({});

export const controlMethods = {
  status: {
    params: Nothing,
    result: z.strictObject({
      device: DeviceStatus,
      version: z.string(),
      profile: HostProfile,
      workspaces: z.array(WorkspaceStatus),
      devices: z.array(DeviceStatus),
    }),
  },
  'devices.list': { params: Nothing, result: z.array(DeviceStatus) },
  /** Trusts another device's certificate, given as PEM, whose SHA-256 fingerprint the user has compared. */
  'devices.add': {
    params: z.strictObject({
      name: z.string(),
      certificatePem: z.string(),
      fingerprint: z.string(),
      address: z.string(),
    }),
    result: DeviceStatus,
  },
  'devices.trust': { params: z.strictObject({ name: z.string(), trust: TrustLevel }), result: DeviceStatus },
  'devices.forget': { params: z.strictObject({ name: z.string() }), result: Nothing },
  /** This device's own certificate, for the other to import. */
  'devices.certificate': {
    params: Nothing,
    result: z.strictObject({ certificatePem: z.string(), fingerprint: z.string() }),
  },
  /** Shows a pairing code and waits for the device that has it, until the caller goes away. */
  'pair.offer': {
    params: z.strictObject({
      /** What to call the other device; default: what it calls itself. */
      name: z.string().optional(),
      trust: TrustLevel.optional(),
    }),
    result: Paired,
    progress: PairingCode,
  },
  /** Takes the code that another device shows. */
  'pair.join': {
    params: z.strictObject({
      name: z.string(),
      address: z.string(),
      code: z.string(),
      trust: TrustLevel.optional(),
    }),
    result: Paired,
  },
  'workspace.create': {
    params: z.strictObject({
      name: WorkspaceName,
      disk: z.string(),
      /** Default: as its content says. */
      diskFormat: z.enum(['raw', 'qcow2']).optional(),
      /** Of the disk, in other folders: the guest can read them. */
      backingFiles: z.array(z.string()).optional(),
      // wdockd knows the limits, and says them with the option's name.
      baseMemoryMiB: z.int().optional(),
      maxPluggedMemoryMiB: z.int().optional(),
      maxVcpus: z.int().optional(),
      macAddress: z.string().optional(),
      uuid: z.string().optional(),
      kernel: z.strictObject({ image: z.string(), initrd: z.string(), commandLine: z.string() }).optional(),
      /** Start from this saved state instead of booting. */
      savedState: z.string().optional(),
      guestAddresses: z.array(z.string()).optional(),
      policy: z.string().optional(),
      /** A named model with its version, or `common` (default): the newest that all trusted devices have. */
      cpuModel: z.string().optional(),
    }),
    result: z.strictObject({
      status: WorkspaceStatus,
      cpuModel: CpuModelChoice,
      disk: z.strictObject({
        path: z.string(),
        format: z.enum(['raw', 'qcow2']),
        bytes: z.number(),
        backingFiles: z.array(z.string()),
      }),
    }),
  },
  'workspace.list': { params: Nothing, result: z.array(WorkspaceStatus) },
  'workspace.show': {
    params: z.strictObject({ name: WorkspaceName }),
    result: z.strictObject({
      status: WorkspaceStatus,
      record: z.unknown(),
      journal: z.array(z.string()),
      /** Absent where the workspace is broken, or this device's QEMU does not answer. */
      docking: z.array(Docking).optional(),
      keptMemory: KeptMemoryFacts.optional(),
    }),
  },
  /** Removes what this device keeps of the memory of a workspace, for its way back and of what other devices keep. */
  'workspace.forget-memory': {
    params: z.strictObject({ name: WorkspaceName }),
    result: z.strictObject({ removed: KeptMemoryFacts.optional() }),
  },
  /** Sends memory of a workspace that runs here ahead to a device that it may go to; ended without harm by an abort. */
  'workspace.warm-up': {
    params: z.strictObject({ name: WorkspaceName, device: z.string() }),
    result: WarmUpOutcome,
    progress: WarmUpProgress,
  },
  'workspace.start': {
    params: z.strictObject({
      name: WorkspaceName,
      /** Another model from now on, as in `workspace.create`; refused where it starts from a saved state. */
      cpuModel: z.string().optional(),
    }),
    result: WorkspaceStatus,
  },
  'workspace.stop': {
    /** `force` pulls the plug instead of asking the guest to power off. */
    params: z.strictObject({ name: WorkspaceName, force: z.boolean().default(false) }),
    result: WorkspaceStatus,
  },
  /** Forgets a workspace of this device that is stopped, or that cannot be read; its disk stays. */
  'workspace.remove': {
    params: z.strictObject({ name: WorkspaceName }),
    result: z.strictObject({
      name: WorkspaceName,
      /** It could not be read. */
      broken: z.boolean(),
      /** What is left on this device, and where. */
      left: z.array(z.strictObject({ what: z.enum(['disk', 'other-files']), path: z.string() })),
      /** A device that has a record of it still: the one that had it last, or its home. By its name here. */
      otherDevice: z.strictObject({ name: z.string(), isHome: z.boolean() }).optional(),
    }),
  },
  dock: {
    params: z.strictObject({
      workspace: WorkspaceName.optional(),
      target: z.string(),
      /** Of a kiosk, what it can do was read and accepted (kiosk-risk.ts); kept until the device is forgotten. */
      iKnowTheKioskCanReadIt: z.literal(true).optional(),
    }),
    result: TripOutcome,
    progress: ProgressEvent,
  },
  undock: {
    params: z.strictObject({ workspace: WorkspaceName.optional() }),
    result: TripOutcome,
    progress: ProgressEvent,
  },
  /**
   * Writes the running VM to a directory, from where `resume` lets it go on. Only of a workspace that is at home here.
   * `now`: it stops first. Until it is whole there the VM runs on here, whatever fails.
   */
  suspend: {
    params: z.strictObject({
      workspace: WorkspaceName.optional(),
      /** Absolute. */
      directory: z.string().startsWith('/'),
      now: z.boolean().default(false),
    }),
    result: SuspendOutcome,
    progress: ProgressEvent,
  },
  resume: {
    params: z.strictObject({ workspace: WorkspaceName.optional(), directory: z.string().startsWith('/') }),
    result: ResumeOutcome,
    progress: ProgressEvent,
  },
  /** Ends the running trip of a workspace, up to the hand-over; after it, refused with the reason. */
  cancel: { params: z.strictObject({ workspace: WorkspaceName.optional() }), result: Nothing },
  /** Sends every progress event and state change until the caller goes away. */
  watch: {
    params: Nothing,
    result: Nothing,
    progress: z.union([
      z.strictObject({ kind: z.literal('workspace'), at: z.number(), status: WorkspaceStatus }),
      z.strictObject({
        kind: z.literal('trip'),
        at: z.number(),
        workspace: z.string(),
        event: ProgressEvent,
      }),
      z.strictObject({ kind: z.literal('device'), at: z.number(), status: DeviceStatus }),
      z.strictObject({ kind: z.literal('presence'), at: z.number(), status: PresenceStatus }),
    ]),
  },
  /** The triggers in force, read again now, each with the rule that set it. */
  'presence.rules': {
    params: z.strictObject({ workspace: WorkspaceName.optional(), device: z.string().optional() }),
    result: z.array(z.strictObject({ status: PresenceStatus, decisions: z.array(Decision) })),
  },
  /** Answers the open question of a trigger; the result has it as it was. */
  'presence.answer': {
    params: z.strictObject({
      answer: z.enum(['yes', 'no']),
      workspace: WorkspaceName.optional(),
      device: z.string().optional(),
    }),
    result: PresenceStatus,
  },
  'policy.explain': {
    params: z.strictObject({
      /** A device whose profile is asked for; default this one. */
      device: z.string().optional(),
      workspace: WorkspaceName.optional(),
    }),
    result: z.strictObject({ profile: HostProfile, decisions: z.array(Decision), allocation: z.unknown() }),
  },
  doctor: {
    params: Nothing,
    result: z.strictObject({ checks: z.array(Check), plugins: z.array(PluginReport) }),
  },
  /** Takes a workspace back by a person's word when the other device is lost; see docs/hand-over.md. */
  'workspace.force-owner': {
    params: z.strictObject({ name: WorkspaceName, iKnowTheOtherCopyIsGone: z.literal(true) }),
    result: WorkspaceStatus,
  },
} as const;

export type ControlMethod = keyof typeof controlMethods;
