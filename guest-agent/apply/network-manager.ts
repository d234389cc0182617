import { DockError } from '../../protocol/dock-error.ts';
import type { DbusConnection } from '../dbus/dbus-connection.ts';
import { makeVariant, plainDbusValue } from '../dbus/dbus-value.ts';
import type { NetworkChange, PresentIp4 } from '../decide/choose-network-settings.ts';

const destination = 'org.freedesktop.NetworkManager';
const face = (name: string): string => (name === '' ? destination : `${destination}.${name}`);
/** Answers come at once or, while NetworkManager restarts, not at all. */
const timeoutMs = 10_000;
/** NMDeviceState: from here on a connection is being activated or active. */
const stateActivated = 100;

/** Settings as NetworkManager sends them: group, key, variant. */
type Settings = Record<string, Record<string, unknown>>;

/** NetworkManager, as far as one device of it is re-bound. Errors as in DbusConnection. */
export class NetworkManager {
  readonly #bus: DbusConnection;

  constructor(bus: DbusConnection) {
    this.#bus = bus;
  }

  async isRunning(signal: AbortSignal): Promise<boolean> {
    return (await this.#bus.ownerOf(destination, signal)) !== undefined;
  }

  /** The device of an interface; `not-found` where NetworkManager does not know it. */
  async findDevice(name: string, signal: AbortSignal): Promise<string> {
    const [path] = await this.#call(
      '/org/freedesktop/NetworkManager',
      '',
      'GetDeviceByIpIface',
      's',
      [name],
      signal,
    );
    return String(path);
  }

  async isActivated(device: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#property(device, 'Device', 'State', signal)) === stateActivated;
  }

  /** undefined while the device has no IPv4 configuration. */
  async readIp4(device: string, signal: AbortSignal): Promise<PresentIp4 | undefined> {
    const config = String(await this.#property(device, 'Device', 'Ip4Config', signal));
    if (config === '/') return undefined;
    const read = (name: string): Promise<unknown> => this.#property(config, 'IP4Config', name, signal);
    const [addresses, gateway, nameservers, searches] = [
      (await read('AddressData')) as { address: string; prefix: number }[],
      (await read('Gateway')) as string,
      (await read('NameserverData')) as { address: string }[],
      (await read('Searches')) as string[],
    ];
    return {
      addresses: addresses.map(({ address, prefix }) => ({ address, prefix })),
      gateway: gateway || undefined,
      nameservers: nameservers.map(({ address }) => address),
      searches,
    };
  }

  /**
   * Changes the connection in use in place (Device.Reapply): nothing is taken down, and the user's saved profile
   * stays as it is. Refused by NetworkManager when the device is not active.
   */
  async reapply(device: string, change: NetworkChange, signal: AbortSignal): Promise<void> {
    const [applied, version] = await this.#call(device, 'Device', 'GetAppliedConnection', 'u', [0], signal);
    const settings = { ...(applied as Settings) };
    settings['connection'] = { ...settings['connection'], metered: makeVariant('i', change.metered) };
    if (change.ip4.kind === 'kept') settings['ipv4'] = keepIp4(settings['ipv4'] ?? {}, change.ip4.present);
    else {
      const saved = await this.#savedSettings(device, signal);
      if (saved['ipv4'] !== undefined) settings['ipv4'] = saved['ipv4'];
    }
    await this.#call(device, 'Device', 'Reapply', 'a{sa{sv}}tu', [settings, version, 0], signal);
  }

  async #savedSettings(device: string, signal: AbortSignal): Promise<Settings> {
    const active = String(await this.#property(device, 'Device', 'ActiveConnection', signal));
    const profile = String(await this.#property(active, 'Connection.Active', 'Connection', signal));
    const [saved] = await this.#call(profile, 'Settings.Connection', 'GetSettings', '', [], signal);
    return saved as Settings;
  }

  #call(
    path: string,
    interfaceName: string,
    member: string,
    signature: string,
    body: readonly unknown[],
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    return this.#bus.call(
      { destination, path, interface: face(interfaceName), member, signature, body, timeoutMs },
      signal,
    );
  }

  async #property(path: string, interfaceName: string, name: string, signal: AbortSignal): Promise<unknown> {
    if (path === '/') throw new DockError('conflict', 'the network device has no active connection');
    const target = { destination, path, interface: face(interfaceName) };
    return plainDbusValue(await this.#bus.getProperty(target, name, signal, timeoutMs));
  }
}

/** The same addresses as a fixed configuration. Keys that only DHCP uses go. */
function keepIp4(group: Record<string, unknown>, present: PresentIp4): Record<string, unknown> {
  const kept = { ...group };
  for (const key of ['addresses', 'routes', 'dhcp-timeout', 'dns']) delete kept[key];
  return {
    ...kept,
    method: makeVariant('s', 'manual'),
    'address-data': makeVariant(
      'aa{sv}',
      present.addresses.map(({ address, prefix }) => ({
        address: makeVariant('s', address),
        prefix: makeVariant('u', prefix),
      })),
    ),
    ...(present.gateway === undefined ? {} : { gateway: makeVariant('s', present.gateway) }),
    'dns-data': makeVariant('as', present.nameservers),
    dns: makeVariant('au', present.nameservers.filter((one) => !one.includes(':')).map(networkOrderIPv4)),
    'dns-search': makeVariant('as', present.searches),
  };
}

/** An IPv4 address as the number whose bytes in memory, on a little-endian machine, are the address's. */
function networkOrderIPv4(address: string): number {
  return address.split('.').reduce((word, part, at) => word + Number(part) * 2 ** (8 * at), 0);
}
