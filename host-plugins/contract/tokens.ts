/**
 * What the container knows the resources and their surroundings by. A leaf: it imports nothing, so that no
 * import cycle can leave a token undefined.
 */
export const Token = {
  /** Every `ResourcePlugin`, bound once per resource; ask for all of them. */
  Plugin: Symbol.for('wireless-dock.resource-plugin'),
  /** `HostNetwork`: taps, and the ways from them to the LAN. */
  HostNetwork: Symbol.for('wireless-dock.host-network'),
  /** `HostNetworkSettings`: where changes are noted, and which ports the guest may not reach. */
  HostNetworkSettings: Symbol.for('wireless-dock.host-network-settings'),
  /** `HostBridges`: bridges that this host makes over its wired interfaces. */
  HostBridges: Symbol.for('wireless-dock.host-bridges'),
  /** `HostInventory`: what this host can offer. */
  HostInventory: Symbol.for('wireless-dock.host-inventory'),
  /** `HostInventorySettings`: device class, profile file, folder of the disks. */
  HostInventorySettings: Symbol.for('wireless-dock.host-inventory-settings'),
} as const;
