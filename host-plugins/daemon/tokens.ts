/**
 * What the container knows the parts of wdockd by. A leaf: it imports nothing, so that no import cycle can leave a
 * token undefined. Plugins and what they need have theirs in contract/tokens.ts.
 */
export const DaemonToken = {
  /** `DaemonConfig` */
  Config: Symbol.for('wireless-dock.config'),
  /** pino's `Logger` */
  Log: Symbol.for('wireless-dock.log'),
  /** `OwnIdentity` */
  Identity: Symbol.for('wireless-dock.identity'),
  /** `TrustStore` */
  TrustStore: Symbol.for('wireless-dock.trust-store'),
  /** `SecureServer`: the port that other devices connect to */
  SecureServer: Symbol.for('wireless-dock.secure-server'),
  /** `PeerConnections<typeof peerMethods>`: calls to other devices */
  Peers: Symbol.for('wireless-dock.peers'),
  /** `Channels`: byte channels to other devices */
  Channels: Symbol.for('wireless-dock.channels'),
  /** `DeviceDirectory`: this device and the trusted ones, as users see them */
  Devices: Symbol.for('wireless-dock.devices'),
  /** `Renewal`: clears wdockd's memory */
  Renewal: Symbol.for('wireless-dock.renewal'),
  /** `WatchHub`: publish here what `wdock watch` shall show */
  WatchHub: Symbol.for('wireless-dock.watch-hub'),
  /** `ControlHandlers`: some of the methods that wdock calls; bound as often as there are services with some */
  ControlHandlers: Symbol.for('wireless-dock.control-handlers'),
  /** `PeerHandlers`: some of the methods that other devices call; bound as often as there are services with some */
  PeerHandlers: Symbol.for('wireless-dock.peer-handlers'),
  /** `HostCheck`: lines of `wdock doctor`; bound as often as there are some */
  Checks: Symbol.for('wireless-dock.checks'),
  /** `MeetDevice`: what a device that was just paired changes; optional */
  Meet: Symbol.for('wireless-dock.meet'),
  /** `Service`: what is started and stopped; bound as often as there are some */
  Service: Symbol.for('wireless-dock.service'),
} as const;
