/**
 * The host side's door to D-Bus. The wrapper lives with the agent, which has to stay small and must not
 * import host code; this is the one place of the host side that imports from there.
 */
export { DbusConnection } from '../../../guest-agent/dbus/dbus-connection.ts';
export type { DbusSignal } from '../../../guest-agent/dbus/dbus-match.ts';
