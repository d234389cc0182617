import * as z from 'zod';

/** What kind of computer a device is; the policy file of that name is its default. */
export const deviceClasses = ['mid', 'laptop', 'desktop', 'kiosk'] as const;
export const DeviceClass = z.enum(deviceClasses);
export type DeviceClass = z.infer<typeof DeviceClass>;

/** A display that the guest's picture can be shown on. Sizes are those of the visible area. */
export const DisplayFacts = z.strictObject({
  name: z.string().min(1),
  widthPx: z.int().min(1).max(16384),
  heightPx: z.int().min(1).max(16384),
  /** 0 where the display does not say (a projector). */
  widthMm: z.int().min(0).max(10000),
  heightMm: z.int().min(0).max(10000),
  /** Built into the device, as a laptop's panel. */
  internal: z.boolean(),
});
export type DisplayFacts = z.infer<typeof DisplayFacts>;

export const LinkFacts = z.strictObject({
  /** The host's interface name, e.g. `wlan0`. */
  name: z.string().min(1).max(15),
  kind: z.enum(['ethernet', 'wifi']),
  /** A bridge that this interface is a port of already, e.g. `br0`. */
  bridge: z.string().min(1).max(15).optional(),
  /** False for a Wi-Fi station, whose access point drops frames with a foreign source address. */
  canBridge: z.boolean(),
  /** Where it is a port of none: the bridge that the host would make over it, or why it cannot without going offline. */
  newBridge: z
    .discriminatedUnion('possible', [
      z.strictObject({ possible: z.literal(true), name: z.string().min(1).max(15) }),
      z.strictObject({ possible: z.literal(false), why: z.string() }),
    ])
    .optional(),
  /** The user pays by volume. */
  metered: z.boolean().default(false),
  /** Global IPv4 and IPv6 addresses with prefix length, of the interface or of its bridge, e.g. `10.77.0.11/24`. */
  addresses: z.array(z.string()),
  /** Hardware address of the default gateway: what tells this LAN from another with the same addresses. */
  gatewayMac: z.string().optional(),
  /** Greatest packet, bytes; absent for Ethernet's 1500. */
  mtu: z.int().min(576).max(65_535).optional(),
  /** Behind a captive portal (NetworkManager's connectivity check). */
  portal: z.boolean().optional(),
});
export type LinkFacts = z.infer<typeof LinkFacts>;

/** How the network of the guest's host relates to the one before, and what of that one it keeps. */
export const LanChange = z.strictObject({
  /** `other`: the guest's addresses do not belong to this host's LAN. */
  lan: z.enum(['same', 'other']),
  /** Addresses that are the guest's on this LAN, for it came back to where they were kept. No prefix length. */
  known: z.array(z.string()).min(1).optional(),
  /** The device that keeps addresses of its own LAN alive for the guest and carries their traffic (docs/networking.md). */
  anchor: z
    .strictObject({
      deviceId: z.string(),
      /** IPv4 and IPv6, without prefix length. */
      addresses: z.array(z.string()).min(1),
    })
    .optional(),
});
export type LanChange = z.infer<typeof LanChange>;

/**
 * What a device can offer at this moment (docs/architecture.md). Made by discovery, or read from a profile file
 * where a host only pretends to be this device; then `simulated` is true and every output says so.
 */
export const HostProfile = z.strictObject({
  deviceClass: DeviceClass,
  simulated: z.boolean().default(false),
  cpus: z.strictObject({ logical: z.int().min(1).max(4096), model: z.string() }),
  memory: z.strictObject({ totalMiB: z.int().min(64) }),
  displays: z.array(DisplayFacts),
  links: z.array(LinkFacts),
  power: z.strictObject({
    source: z.enum(['mains', 'battery']),
    percent: z.number().min(0).max(100).optional(),
  }),
  input: z.strictObject({ touch: z.boolean(), keyboard: z.boolean(), pointer: z.boolean() }),
  disk: z.strictObject({ freeMiB: z.int().min(0) }),
});
export type HostProfile = z.infer<typeof HostProfile>;
