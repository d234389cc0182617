import { networkInterfaces } from 'node:os';

/** Where other devices may reach this one, IPv4 first; `listening`: the address that it listens on. */
export function ownAddresses(listening: string, interfaces = networkInterfaces()): string[] {
  if (listening !== '::' && listening !== '0.0.0.0') return [listening];
  const all = Object.values(interfaces).flatMap((addresses) => addresses ?? []);
  const useful = all.filter(({ internal, address }) => !internal && !/^(?:fe80|169\.254)[:.]/i.test(address));
  const of = (family: string) =>
    useful.filter((entry) => entry.family === family).map(({ address }) => address);
  return listening === '0.0.0.0' ? of('IPv4') : [...of('IPv4'), ...of('IPv6')];
}
