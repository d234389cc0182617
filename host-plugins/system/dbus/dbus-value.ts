/** Values of the host side's D-Bus calls; see dbus-connection.ts for why they come from there. */
export { dbusErrorName } from '../../../guest-agent/dbus/dbus-failure.ts';
export { makeVariant, plainDbusValue } from '../../../guest-agent/dbus/dbus-value.ts';
