/** Where NetworkManager is reached; the variable is libdbus's own (dbus-launch(1)). */
export function systemBusAddress(): string {
  return process.env['DBUS_SYSTEM_BUS_ADDRESS'] ?? 'unix:path=/run/dbus/system_bus_socket';
}
