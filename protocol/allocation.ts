import * as z from 'zod';

export const networkModes = ['bridged', 'routed', 'nat'] as const;
export const NetworkMode = z.enum(networkModes);
export type NetworkMode = z.infer<typeof NetworkMode>;

export const PowerProfile = z.enum(['power-saver', 'balanced', 'performance']);
export type PowerProfile = z.infer<typeof PowerProfile>;

/** The picture that the guest shall drive: the mode of the host's display, its size, and the wished scale. */
export const DisplayAllocation = z.strictObject({
  widthPx: z.int().min(320).max(16384),
  heightPx: z.int().min(200).max(16384),
  /** 0 where unknown; then the guest assumes 96 dots per inch. */
  widthMm: z.int().min(0),
  heightMm: z.int().min(0),
  /** A factor, e.g. 1, 1.25, 2; the guest takes the nearest that its compositor offers for this mode. */
  scale: z.number().min(0.5).max(4),
});
export type DisplayAllocation = z.infer<typeof DisplayAllocation>;

const port = '(?:[1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])';

/** A port with its protocol, e.g. `tcp/22`. */
export const PortName = z
  .string()
  .regex(new RegExp(`^(?:tcp|udp)/${port}$`), 'expected a port such as tcp/22 or udp/53');

/** A port of the host and the guest's port that it leads to, e.g. `tcp/8080:80`; `tcp/80` where they are the same. */
export const PortForward = z
  .string()
  .regex(new RegExp(`^(?:tcp|udp)/${port}(?::${port})?$`), 'expected a port such as tcp/22 or tcp/8080:80');

/** What the guest gets on one host (docs/architecture.md): policy x profile, decided before the move. */
export const Allocation = z.strictObject({
  vcpus: z.int().min(1).max(1024),
  /** All guest memory: base plus plugged, in MiB; a multiple of 2. */
  memoryMiB: z.int().min(128),
  /** Absent where the host has no display; the guest then keeps its mode. */
  display: DisplayAllocation.optional(),
  network: z.strictObject({
    mode: NetworkMode,
    link: z.string().optional(),
    metered: z.boolean(),
    /** Bridged by a port of its own on the link, which the host goes on to use as it does. Absent: by a bridge. */
    beside: z.literal(true).optional(),
    /** The guest reaches nothing of the host's LAN, nor other guests of the host; behind NAT only. Absent: all of it. */
    reach: z.literal('internet').optional(),
    /** Ports of the host that the guest reaches; absent: none. */
    open: z.array(PortName).optional(),
    /** Ports of the host by which the guest is reached behind NAT; absent: none. */
    forward: z.array(PortForward).optional(),
  }),
  /** systemd units of the guest that are frozen while it is on this host; all others are thawed. */
  services: z.strictObject({ sleep: z.array(z.string()) }),
  power: z.strictObject({ profile: PowerProfile }),
  input: z.strictObject({ onScreenKeyboard: z.boolean() }),
});
export type Allocation = z.infer<typeof Allocation>;

export const resources = ['vcpu', 'memory', 'display', 'network', 'storage'] as const;
export const Resource = z.enum(resources);
export type Resource = z.infer<typeof Resource>;
