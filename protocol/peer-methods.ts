import { z } from 'zod';
import { Allocation } from './allocation.ts';
import { Decision } from './control-methods.ts';
import { CpuCapability, CpuModelName } from './cpu-capability.ts';
import { GuestState } from './guest-state.ts';
import { HostProfile, LanChange } from './host-profile.ts';
import { GuestSummary, Shortfall, TripOutcome } from './outcome.ts';
import { PageSourceFacts } from './page-exchange.ts';
import { ProgressEvent } from './progress-event.ts';
import { MachineContract, MachineFilling, WorkspaceName } from './workspace.ts';

const Nothing = z.strictObject({});

/**
 * The device that asks does not trust the other one, which keeps nothing of the VM (docs/security.md). A device that does
 * not know this key refuses the call, as it should: it would keep something.
 */
const keepNothing = z.literal(true).optional();

/** What a policy says about the move itself, not about what the guest gets. */
export const MoveRules = z.strictObject({
  /** How long applications may delay a move, ms. */
  maxDelayMs: z.int().min(0).max(60_000),
  /** What must stay available in the guest after it was shrunk, MiB. */
  headroomMiB: z.int().min(0),
  /** Whether the guest drops file pages that it has not used lately, rather than have them travel. */
  trimCache: z.enum(['auto', 'always', 'never']),
  /** Page cache that it keeps in any case, MiB. */
  keepCacheMiB: z.int().min(0),
});
export type MoveRules = z.infer<typeof MoveRules>;

/**
 * What one wdockd may ask of another, over a mutually authenticated connection. The device at which the VM runs
 * drives a trip; the other one answers these. Hand-over messages go both ways and are answered by messages.
 */
export const peerMethods = {
  describe: {
    params: Nothing,
    result: z.strictObject({ name: z.string(), version: z.string(), profile: HostProfile }),
  },
  /** What this device can give a guest as CPU, of these models. */
  'cpu-capability': {
    params: z.strictObject({ models: z.array(CpuModelName).max(500) }),
    result: CpuCapability,
  },
  /** What this device would give the workspace: its own policy, its own profile. */
  choose: {
    params: z.strictObject({
      workspace: WorkspaceName,
      contract: MachineContract,
      /** Text of the workspace's own policy overrides, and the file it came from. */
      policy: z.strictObject({ text: z.string(), file: z.string() }).optional(),
      keepNothing,
    }),
    result: z.strictObject({
      profile: HostProfile,
      allocation: Allocation,
      decisions: z.array(Decision),
      move: MoveRules,
    }),
  },
  /**
   * Checks that this device can take the workspace now, and reserves it: refuses with `conflict`,
   * `does-not-fit` or `missing-dependency`. Undone by `abandon`, or when the connection is lost.
   */
  prepare: {
    params: z.strictObject({
      workspace: WorkspaceName,
      homeDevice: z.string(),
      epoch: z.int().min(1),
      contract: MachineContract,
      allocation: Allocation,
      move: MoveRules,
      guestAddresses: z.array(z.string()),
      policy: z.strictObject({ text: z.string(), file: z.string() }).optional(),
      keepNothing,
    }),
    /** What of its memory this device can rebuild. */
    result: z.strictObject({ pages: z.array(PageSourceFacts).max(256) }),
  },
  /** What this device can rebuild of a VM that may come, and how much it takes ahead; refused where it takes nothing. */
  'warm-up': {
    params: z.strictObject({ workspace: WorkspaceName, uuid: z.uuid() }),
    result: z.strictObject({ pages: z.array(PageSourceFacts).max(256), maxMiB: z.int().min(1) }),
  },
  /** Starts QEMU, paused, of exactly this filling, and opens the memory channel. After it the hand-over decides. */
  receive: {
    params: z.strictObject({
      workspace: WorkspaceName,
      epoch: z.int().min(1),
      filling: MachineFilling,
      guestAddresses: z.array(z.string()),
      /** Absent: the same LAN. An anchor's device is the one that asks. */
      lanChange: LanChange.optional(),
      /** The guest as the source read it last. */
      guest: GuestState.optional(),
      /** Of the pages that `prepare` named, those that will not travel: the source knows what is in them. */
      pages: z.array(PageSourceFacts).max(256),
    }),
    result: Nothing,
  },
  /**
   * Asks the home device of a suspended workspace for it, by one that has the image: the home then offers it in this
   * epoch. Refused with `conflict` for any image but the one that the workspace is in now.
   */
  claim: {
    params: z.strictObject({ workspace: WorkspaceName, image: z.string() }),
    result: z.strictObject({ epoch: z.int().min(1) }),
  },
  abandon: {
    params: z.strictObject({ workspace: WorkspaceName, epoch: z.int(), reason: z.string() }),
    result: Nothing,
  },
  /** One hand-over message (hand-over-messages.ts); answers come as messages of their own. */
  'hand-over': {
    params: z.strictObject({ workspace: WorkspaceName, message: z.unknown() }),
    result: Nothing,
  },
  /** Waits until the workspace is adapted here, with progress; asked by the device it came from. */
  'await-adapted': {
    params: z.strictObject({ workspace: WorkspaceName, epoch: z.int() }),
    result: z.strictObject({
      adaptMs: z.number(),
      after: GuestSummary.nullable(),
      shortfalls: z.array(Shortfall),
      stages: z.array(z.strictObject({ name: z.string(), ms: z.number() })),
    }),
    progress: ProgressEvent,
  },
  /** The home device asks the one where the workspace runs to bring it back. */
  undock: {
    params: z.strictObject({ workspace: WorkspaceName }),
    result: TripOutcome,
    progress: ProgressEvent,
  },
  cancel: { params: z.strictObject({ workspace: WorkspaceName }), result: Nothing },
  /** Where this device thinks the workspace is. */
  'workspace-status': {
    params: z.strictObject({ workspace: WorkspaceName }),
    result: z.strictObject({
      epoch: z.int(),
      owner: z.boolean(),
      running: z.boolean(),
      guest: GuestSummary.nullable(),
    }),
  },
} as const;

export type PeerMethod = keyof typeof peerMethods;
