import { DockError } from '../../protocol/dock-error.ts';
import type { DbusConnection } from '../dbus/dbus-connection.ts';
import { makeVariant, plainDbusValue } from '../dbus/dbus-value.ts';
import type { NetworkChange, NetworkSituation, PresentIp4 } from '../decide/choose-network-settings.ts';

const destination = 'org.freedesktop.NetworkManager';
const face = (name: string): string => (name === '' ? destination : `${destination}.${name}`);
/** Answers come at once or, while NetworkManager restarts, not at all. */
const timeoutMs = 10_000;
/** NMDeviceState: between PREPARE and ACTIVATED a connection can be changed in place. */
const statePrepare = 40;
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

  /** The device of an interface; refused where NetworkManager does not know it. */
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

  /** Whether it has a connection, or is being connected (it then may wait for DHCP for ever). */
  async isConnected(device: string, signal: AbortSignal): Promise<boolean> {
    const state = Number(await this.#property(device, 'Device', 'State', signal));
    return state >= statePrepare && state <= stateActivated;
  }

  async readSituation(device: string, signal: AbortSignal): Promise<NetworkSituation> {
    const saved = await this.#savedSettings(device, signal);
    const method = plainDbusValue(saved['ipv4']?.['method']);
    return {
      present: await this.#readIp4(device, signal),
      savedMethod: typeof method === 'string' ? method : 'auto',
      hasLease: (await this.readLease(device, signal)) !== undefined,
    };
  }

  /** The address that DHCP gave; undefined while there is none. */
  async readLease(device: string, signal: AbortSignal): Promise<string | undefined> {
    const config = String(await this.#property(device, 'Device', 'Dhcp4Config', signal));
    if (config === '/') return undefined;
    const options = (await this.#property(config, 'DHCP4Config', 'Options', signal)) as Record<
      string,
      unknown
    >;
    return typeof options['ip_address'] === 'string' ? options['ip_address'] : undefined;
  }

  /**
   * Changes the connection in use in place (Device.Reapply): nothing is taken down. Refused by NetworkManager when
   * the device has no connection, or when it was changed meanwhile.
   */
  async reapply(device: string, change: NetworkChange, signal: AbortSignal): Promise<void> {
    const [applied, version] = await this.#call(device, 'Device', 'GetAppliedConnection', 'u', [0], signal);
    const saved = await this.#savedSettings(device, signal);
    const settings = { ...(applied as Settings) };
    settings['connection'] = { ...settings['connection'], metered: makeVariant('i', change.metered) };
    settings['ipv4'] = ip4Group(saved['ipv4'] ?? {}, change.ip4);
    await this.#call(device, 'Device', 'Reapply', 'a{sa{sv}}tu', [settings, version, 0], signal);
  }

  /** Calls `hear` whenever a property of any NetworkManager object has changed; to look again, not to know what. */
  listenToChanges(hear: () => void): () => void {
    return this.#bus.listen(
      { sender: destination, interface: 'org.freedesktop.DBus.Properties', member: 'PropertiesChanged' },
      hear,
    );
  }

  async #readIp4(device: string, signal: AbortSignal): Promise<PresentIp4 | undefined> {
    const config = String(await this.#property(device, 'Device', 'Ip4Config', signal));
    if (config === '/') return undefined;
    const read = (name: string): Promise<unknown> => this.#property(config, 'IP4Config', name, signal);
    const [addresses, gateway, nameservers, searches] = await Promise.all([
      read('AddressData') as Promise<{ address: string; prefix: number }[]>,
      read('Gateway') as Promise<string>,
      read('NameserverData') as Promise<{ address: string }[]>,
      read('Searches') as Promise<string[]>,
    ]);
    return {
      addresses: addresses.map(({ address, prefix }) => ({ address, prefix })),
      gateway: gateway || undefined,
      nameservers: nameservers.map(({ address }) => address),
      searches,
    };
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

function ip4Group(saved: Record<string, unknown>, wish: NetworkChange['ip4']): Record<string, unknown> {
  if (wish.kind === 'saved') return saved;
  const { addresses, gateway, nameservers, searches } = wish.present;
  const group = { ...saved };
  // `addresses` is the older form of `address-data`, and wins over it.
  delete group['addresses'];
  group['address-data'] = makeVariant(
    'aa{sv}',
    addresses.map(({ address, prefix }) => ({
      address: makeVariant('s', address),
      prefix: makeVariant('u', prefix),
    })),
  );
  if (gateway !== undefined) group['gateway'] = makeVariant('s', gateway);
  if (wish.kind === 'renewed') return group;
  delete group['dhcp-timeout'];
  return {
    ...group,
    method: makeVariant('s', 'manual'),
    dns: makeVariant('au', nameservers.filter((one) => !one.includes(':')).map(networkOrderIPv4)),
    'dns-data': makeVariant('as', nameservers),
    'dns-search': makeVariant('as', searches),
  };
}

/** An IPv4 address as the number whose bytes in memory, on a little-endian machine, are the address's. */
function networkOrderIPv4(address: string): number {
  return address.split('.').reduce((word, part, at) => word + Number(part) * 2 ** (8 * at), 0);
}
