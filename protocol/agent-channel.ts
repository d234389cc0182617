import * as z from 'zod';
import { DisplayAllocation, NetworkMode, PowerProfile } from './allocation.ts';
import { DockErrorShape } from './dock-error-shape.ts';
import { GuestState } from './guest-state.ts';
import { DeviceClass } from './host-profile.ts';

/**
 * The messages between wdockd and the guest agent, one JSON object a frame (agent-frame.ts), over the
 * virtio-serial port of this name. Bytes in flight at a switch-over can be lost or doubled, and the host at
 * the other end changes with each move; so every conversation is a *session*: the host opens it with a hello
 * that carries a fresh nonce, the guest answers with a hello that repeats it, and messages of another session
 * are dropped. A request without an answer is asked again by the host in the next session; every method is
 * idempotent for that reason.
 */
export const agentPortName = 'org.wirelessdock.agent.0';

/** Grows when a message changes its meaning. Ends that differ say so and do nothing else. */
export const agentProtocolVersion = 1;

export const HostDescription = z.strictObject({
  name: z.string(),
  deviceClass: DeviceClass,
  simulated: z.boolean(),
});
export type HostDescription = z.infer<typeof HostDescription>;

export const HostHello = z.strictObject({
  type: z.literal('host-hello'),
  protocol: z.int(),
  session: z.string().min(8).max(64),
  epoch: z.int().min(0),
  host: HostDescription,
});

/** `session` is empty when the guest speaks first (it started, or its port was reopened): "please greet me". */
export const GuestHello = z.strictObject({
  type: z.literal('guest-hello'),
  protocol: z.int(),
  session: z.string().max(64),
  agentVersion: z.string(),
  bootId: z.string(),
});

export const AgentRequest = z.strictObject({
  type: z.literal('request'),
  session: z.string(),
  id: z.int(),
  method: z.string(),
  params: z.unknown(),
});

export const AgentResponse = z.strictObject({
  type: z.literal('response'),
  session: z.string(),
  id: z.int(),
  result: z.unknown().optional(),
  error: DockErrorShape.optional(),
});

/** Something changed in the guest that a waiting host wants to know. */
export const AgentEvent = z.strictObject({
  type: z.literal('event'),
  session: z.string(),
  event: z.enum(['settled', 'session-appeared', 'session-gone', 'inhibitors-changed']),
  data: z.unknown().optional(),
});

/** All that may arrive at the host. */
export const FromGuest = z.discriminatedUnion('type', [GuestHello, AgentResponse, AgentEvent]);
export type FromGuest = z.infer<typeof FromGuest>;
/** All that may arrive at the guest. */
export const FromHost = z.discriminatedUnion('type', [HostHello, AgentRequest]);
export type FromHost = z.infer<typeof FromHost>;

const Nothing = z.strictObject({});

/** What could not be done, in words that can stand in a shortfall. */
const Shortcoming = z.string();

/** The methods of the agent: parameters and result. Times in milliseconds. */
export const agentMethods = {
  /** Reads the whole guest; takes up to some seconds on a small device. */
  observe: { params: Nothing, result: GuestState },
  /**
   * Tells applications that a move is near (`PreparingForMove(true)`) and waits until no delay inhibitor is
   * held or `maxDelayMs` has passed.
   */
  'prepare-move': {
    params: z.strictObject({ target: HostDescription, maxDelayMs: z.int().min(0).max(60_000) }),
    result: z.strictObject({ delayedMs: z.number(), delayedBy: z.array(z.string()), expired: z.boolean() }),
  },
  /** The move did not happen; `PreparingForMove(false)`. */
  'cancel-move': { params: Nothing, result: Nothing },
  /** The guest runs on this host now: properties change, `Moved` is sent, `PreparingForMove(false)`. */
  'host-changed': { params: z.strictObject({ host: HostDescription, epoch: z.int() }), result: Nothing },
  /** Onlines or offlines vCPUs until `online` are online; cpu0 always is. Instant; waits for a vCPU that is being plugged. */
  'set-online-vcpus': {
    params: z.strictObject({ online: z.int().min(1), timeoutMs: z.int().min(0).max(60_000) }),
    result: z.strictObject({ online: z.int(), problems: z.array(Shortcoming) }),
  },
  /**
   * Readies the guest for losing memory: compacts, and drops clean caches where `dropCaches`. What can be
   * given up safely is decided by the host from `observe`.
   */
  'release-memory': { params: z.strictObject({ dropCaches: z.boolean() }), result: Nothing },
  /**
   * Gives up to `mib` of clean file pages back, those first that were not used lately, and never below `keepMiB` of them
   * all; then makes whole blocks of what is free, so that it need not travel. Takes about `limitMs` at most.
   */
  'trim-cache': {
    params: z.strictObject({
      mib: z.int().min(1),
      keepMiB: z.int().min(0),
      /** Where the kernel cannot be asked for a part of them: all that nothing has mapped may go, also what is in use. */
      orAll: z.boolean(),
      limitMs: z.int().min(0).max(60_000),
    }),
    result: z.strictObject({ droppedMiB: z.number(), keptMiB: z.number(), problems: z.array(Shortcoming) }),
  },
  /** Onlines memory blocks that were plugged and are offline (where the kernel does not do so by itself). */
  'online-memory': {
    params: Nothing,
    result: z.strictObject({ totalMiB: z.number(), problems: z.array(Shortcoming) }),
  },
  'apply-display': {
    params: DisplayAllocation,
    result: z.strictObject({ problems: z.array(Shortcoming) }),
  },
  /**
   * Re-binds the guest's interface to the network of this host, with NetworkManager's Reapply, and forgets
   * neighbours learned elsewhere.
   */
  'apply-network': {
    params: z.strictObject({
      mode: NetworkMode,
      metered: z.boolean(),
      /** Hardware address of the host's end of the tap. */
      hostMac: z.string().optional(),
      /** `other`: the addresses that the guest has belong to another LAN; it asks for new ones. */
      lan: z.enum(['same', 'other']).default('same'),
      /** A DHCP server can be asked from here. False behind a host that routes and relays nothing. */
      dhcp: z.boolean().default(false),
      /** Addresses of another LAN, without prefix length, that stay reachable (an anchor) and are kept beside the new. */
      keep: z.array(z.string()).default([]),
      /** Greatest packet on this network, bytes; absent where it is Ethernet's 1500. */
      mtu: z.int().min(576).max(65_535).optional(),
      /** The host is behind a captive portal: someone has to log in before anything answers. */
      portal: z.boolean().default(false),
    }),
    result: z.strictObject({ problems: z.array(Shortcoming) }),
  },
  /** How many TCP connections are open from these addresses of the guest, without prefix length. */
  'address-use': {
    params: z.strictObject({ addresses: z.array(z.string()).max(64) }),
    result: z.strictObject({ connections: z.int().min(0) }),
  },
  /** Freezes the named units, thaws every other that the agent froze before. */
  'apply-services': {
    params: z.strictObject({ sleep: z.array(z.string()) }),
    result: z.strictObject({ problems: z.array(Shortcoming) }),
  },
  'apply-power': {
    params: z.strictObject({ profile: PowerProfile }),
    result: z.strictObject({ problems: z.array(Shortcoming) }),
  },
  'apply-input': {
    params: z.strictObject({ onScreenKeyboard: z.boolean() }),
    result: z.strictObject({ problems: z.array(Shortcoming) }),
  },
  /**
   * `guarded`: the guest goes to a host that its user does not trust. Locks sessions and users' keyrings where `lock`, and
   * takes these mount points away. Not guarded: what was taken away is mounted again; locks are for the users to open.
   */
  'apply-guard': {
    params: z.strictObject({ guarded: z.boolean(), lock: z.boolean(), unmount: z.array(z.string()) }),
    result: z.strictObject({ problems: z.array(Shortcoming) }),
  },
  /** Sets the wall clock to the host's; `correctedMs` is by how much it was wrong. */
  'set-clock': {
    params: z.strictObject({ timeMs: z.number() }),
    result: z.strictObject({ correctedMs: z.number(), problems: z.array(Shortcoming) }),
  },
} as const;

export type AgentMethod = keyof typeof agentMethods;
export type AgentParams<M extends AgentMethod> = z.input<(typeof agentMethods)[M]['params']>;
export type AgentResult<M extends AgentMethod> = z.output<(typeof agentMethods)[M]['result']>;
