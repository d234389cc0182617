import { DockError } from '../../protocol/dock-error.ts';

/** Where wdockd listens unless told otherwise. */
export const defaultPeerPort = 7440;

export interface DeviceAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * `name`, `name:port`, `192.0.2.7:7440`, `fe80::1%wlan0`, `[2001:db8::7]:7440`. Throws `usage` with what was
 * expected.
 */
export function parseDeviceAddress(text: string): DeviceAddress {
  const trimmed = text.trim();
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(trimmed);
  const colons = trimmed.split(':').length - 1;
  const plain = colons <= 1 ? /^([^:]+)(?::(\d+))?$/.exec(trimmed) : undefined;
  const host = bracketed?.[1] ?? plain?.[1] ?? (bracketed == null && colons > 1 ? trimmed : '');
  const port = Number(bracketed?.[2] ?? plain?.[2] ?? defaultPeerPort);
  if (!/^[\w.:%-]{1,253}$/.test(host) || host.startsWith('-') || port < 1 || port > 65535) {
    throw new DockError(
      'usage',
      `"${text.slice(0, 80)}" is not an address; write a host name or an IP address, with a port where it is not ${defaultPeerPort}, e.g. pc.local, 192.0.2.7:7440 or [2001:db8::7]:7440`,
    );
  }
  return { host, port };
}

/** The port is left out where it is the usual one. */
export function formatDeviceAddress({ host, port }: DeviceAddress): string {
  if (port === defaultPeerPort) return host;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
