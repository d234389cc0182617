declare const WDOCK_AGENT_VERSION: string | undefined;

/** Of the package; set when the agent is bundled. */
export const agentVersion = typeof WDOCK_AGENT_VERSION === 'string' ? WDOCK_AGENT_VERSION : 'unpackaged';

export const systemBusAddress =
  process.env['DBUS_SYSTEM_BUS_ADDRESS'] ?? 'unix:path=/run/dbus/system_bus_socket';
