import { DockError } from '../../protocol/dock-error.ts';
import type { DbusConnection } from '../dbus/dbus-connection.ts';
import { plainDbusValue } from '../dbus/dbus-value.ts';
import type {
  IpSituation,
  NetworkChange,
  NetworkSituation,
  PresentIp,
} from '../decide/choose-network-settings.ts';
import { formatIPv6, type IpAddress, isLinkLocal } from '../decide/ip-address.ts';
import { changeSettings, fixedAddresses, type Settings, sameSettings } from './connection-settings.ts';

const destination = 'org.freedesktop.NetworkManager';
const face = (name: string): string => (name === '' ? destination : `${destination}.${name}`);
/** Answers come at once or, while NetworkManager restarts, not at all. */
const timeoutMs = 10_000;
/** NMDeviceState: between PREPARE and ACTIVATED a connection can be changed in place. */
const statePrepare = 40;
const stateActivated = 100;

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
    const [saved, { applied }, ip4, ip6, lease] = await Promise.all([
      this.#savedSettings(device, signal),
      this.#appliedSettings(device, signal),
      this.#readPresent(device, 'IP4Config', signal),
      this.#readPresent(device, 'IP6Config', signal),
      this.readLease(device, signal),
    ]);
    const situation = (family: 'ipv4' | 'ipv6', present: PresentIp | undefined): IpSituation => ({
      present,
      savedMethod: methodOf(saved[family]),
      method: methodOf(applied[family]),
      fixed: fixedAddresses(applied[family]),
    });
    return {
      ip4: { ...situation('ipv4', ip4), hasLease: lease !== undefined },
      ip6: situation('ipv6', ip6),
    };
  }

  /** The address that DHCP gave; undefined while there is none. */
  async readLease(device: string, signal: AbortSignal, family: 4 | 6 = 4): Promise<string | undefined> {
    const config = String(await this.#property(device, 'Device', `Dhcp${family}Config`, signal));
    if (config === '/') return undefined;
    const options = (await this.#property(config, `DHCP${family}Config`, 'Options', signal)) as Record<
      string,
      unknown
    >;
    const address = options[family === 4 ? 'ip_address' : 'ip6_address'];
    return typeof address === 'string' ? address : undefined;
  }

  /** Whether the connection in use is not yet as this change has it. */
  async wouldChange(device: string, change: NetworkChange, signal: AbortSignal): Promise<boolean> {
    return (await this.#changed(device, change, signal)) !== undefined;
  }

  /**
   * Changes the connection in use in place (Device.Reapply): nothing is taken down. Refused by NetworkManager when
   * the device has no connection, or when it was changed meanwhile. Not asked where there is nothing to change: it would
   * take away routes that others have made.
   */
  async reapply(device: string, change: NetworkChange, signal: AbortSignal): Promise<void> {
    const changed = await this.#changed(device, change, signal);
    if (changed === undefined) return;
    const { settings, version } = changed;
    await this.#call(device, 'Device', 'Reapply', 'a{sa{sv}}tu', [settings, version, 0], signal);
  }

  /** Calls `hear` whenever a property of any NetworkManager object has changed; to look again, not to know what. */
  listenToChanges(hear: () => void): () => void {
    return this.#bus.listen(
      { sender: destination, interface: 'org.freedesktop.DBus.Properties', member: 'PropertiesChanged' },
      hear,
    );
  }

  async #readPresent(
    device: string,
    kind: 'IP4Config' | 'IP6Config',
    signal: AbortSignal,
  ): Promise<PresentIp | undefined> {
    const config = String(
      await this.#property(device, 'Device', kind === 'IP4Config' ? 'Ip4Config' : 'Ip6Config', signal),
    );
    if (config === '/') return undefined;
    const read = (name: string): Promise<unknown> => this.#property(config, kind, name, signal);
    const [addresses, gateway, nameservers, searches] = await Promise.all([
      read('AddressData') as Promise<IpAddress[]>,
      read('Gateway') as Promise<string>,
      kind === 'IP4Config'
        ? (read('NameserverData') as Promise<{ address: string }[]>)
        : (read('Nameservers') as Promise<Uint8Array[]>),
      read('Searches') as Promise<string[]>,
    ]);
    return {
      addresses: addresses
        .filter(({ address }) => !isLinkLocal(address))
        .map(({ address, prefix }) => ({ address, prefix })),
      gateway: gateway || undefined,
      nameservers: nameservers.map((one) => (one instanceof Uint8Array ? textOfIPv6(one) : one.address)),
      searches,
    };
  }

  async #changed(
    device: string,
    change: NetworkChange,
    signal: AbortSignal,
  ): Promise<{ settings: Settings; version: unknown } | undefined> {
    const { applied, version } = await this.#appliedSettings(device, signal);
    const saved = await this.#savedSettings(device, signal);
    const settings = changeSettings(applied, saved, change);
    return sameSettings(settings, applied) ? undefined : { settings, version };
  }

  async #appliedSettings(
    device: string,
    signal: AbortSignal,
  ): Promise<{ applied: Settings; version: unknown }> {
    const [applied, version] = await this.#call(device, 'Device', 'GetAppliedConnection', 'u', [0], signal);
    return { applied: applied as Settings, version };
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

function methodOf(group: Settings[string] | undefined): string {
  const method = plainDbusValue(group?.['method']);
  return typeof method === 'string' ? method : 'auto';
}

function textOfIPv6(bytes: Uint8Array): string {
  return formatIPv6(
    Array.from({ length: 8 }, (_, at) => ((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)),
  );
}
