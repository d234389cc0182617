import { access, readlink } from 'node:fs/promises';
import { DockError } from '../../../protocol/dock-error.ts';
import { DbusConnection } from '../dbus/dbus-connection.ts';
import { dbusErrorName, plainDbusValue } from '../dbus/dbus-value.ts';

const destination = 'org.freedesktop.NetworkManager';
const root = '/org/freedesktop/NetworkManager';
const propertiesFace = 'org.freedesktop.DBus.Properties';
/** It answers at once; one that is just being restarted is as good as none, ms. */
const answerMs = 10_000;
const helloMs = 1_000;

/** A connection profile as NetworkManager sends and takes it: group, key, variant. */
export type ConnectionSettings = Record<string, Record<string, unknown>>;

/** NMDeviceState, as far as it is looked at. */
export const deviceState = { disconnected: 30, ipConfig: 70, activated: 100, failed: 120 } as const;
/** NMMetered: 1 yes, 3 guessed yes. NMConnectivityState: 2 portal. */
const meteredStates = [1, 3];
const portalState = 2;

export interface ManagedDevice {
  readonly path: string;
  readonly name: string;
  readonly managed: boolean;
  readonly state: number;
  readonly metered: boolean;
  /** Behind a captive portal, where NetworkManager looks for one. */
  readonly portal: boolean;
  /** The active connection's object; undefined where there is none. */
  readonly active: string | undefined;
  readonly dhcp4Config: string | undefined;
}

/**
 * The NetworkManager of this host, over D-Bus. One connection a use. Errors as in DbusConnection: `missing-dependency`
 * when it ends meanwhile, `io` with `detail.dbusError` for what it refuses.
 */
export class NetworkManager implements AsyncDisposable {
  readonly #bus: DbusConnection;

  private constructor(bus: DbusConnection) {
    this.#bus = bus;
  }

  /**
   * Undefined where none runs, or where the one that answers serves another network namespace: an interface of the
   * same name would be another one. `bus`: the system bus, `unix:path=…`.
   */
  static async connect(bus: string, signal: AbortSignal): Promise<NetworkManager | undefined> {
    const socket = /unix:path=([^,;]+)/.exec(bus)?.[1];
    if (socket === undefined || !(await exists(socket))) return undefined;
    const connection = new DbusConnection(bus);
    try {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(helloMs)]);
      const owner = await connection.ownerOf(destination, limited);
      if (owner !== undefined && (await sharesNetwork(connection, owner, limited)))
        return new NetworkManager(connection);
    } catch {
      signal.throwIfAborted();
    }
    await connection[Symbol.asyncDispose]();
    return undefined;
  }

  /** Undefined for an interface that it does not know. */
  async findDevice(name: string, signal: AbortSignal): Promise<ManagedDevice | undefined> {
    try {
      const [path] = await this.call(root, '', 'GetDeviceByIpIface', 's', [name], signal);
      return await this.readDevice(String(path), signal);
    } catch (error) {
      if (dbusErrorName(error)?.endsWith('.UnknownDevice') === true) return undefined;
      throw error;
    }
  }

  async readDevice(path: string, signal: AbortSignal): Promise<ManagedDevice> {
    const all = await this.properties(path, 'Device', signal);
    const object = (name: string) => (all[name] === '/' ? undefined : (all[name] as string | undefined));
    return {
      path,
      name: String(all['Interface']),
      managed: all['Managed'] === true,
      state: Number(all['State']),
      metered: meteredStates.includes(Number(all['Metered'])),
      portal: all['Ip4Connectivity'] === portalState || all['Ip6Connectivity'] === portalState,
      active: object('ActiveConnection'),
      dhcp4Config: object('Dhcp4Config'),
    };
  }

  async properties(path: string, face: string, signal: AbortSignal): Promise<Record<string, unknown>> {
    const [all] = await this.#bus.call(
      {
        destination,
        path,
        interface: propertiesFace,
        member: 'GetAll',
        signature: 's',
        body: [faceName(face)],
        timeoutMs: answerMs,
      },
      signal,
    );
    return plainDbusValue(all) as Record<string, unknown>;
  }

  /** A method of the object; `face` without the common beginning, '' for the manager itself. */
  async call(
    path: string,
    face: string,
    member: string,
    signature: string,
    body: readonly unknown[],
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    return await this.#bus.call(
      { destination, path, interface: faceName(face), member, signature, body, timeoutMs: answerMs },
      signal,
    );
  }

  /**
   * What `look` finds, as soon as it finds it: now, or after any property of any object has changed. Rejects with what
   * `look` throws, also when NetworkManager ends, and with the signal's reason.
   */
  async until<T>(look: () => Promise<T | undefined>, signal: AbortSignal): Promise<T> {
    let news = Promise.withResolvers<void>();
    const wake = () => news.resolve();
    const stop = [
      this.#bus.listen({ sender: destination, interface: propertiesFace, member: 'PropertiesChanged' }, wake),
      this.#bus.listenToOwner(destination, wake),
    ];
    signal.addEventListener('abort', wake, { once: true });
    try {
      for (;;) {
        if (signal.aborted) throw DockError.from(signal.reason, 'cancelled');
        news = Promise.withResolvers<void>();
        const found = await look();
        if (found !== undefined) return found;
        await news.promise;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      for (const each of stop) each();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bus[Symbol.asyncDispose]();
  }
}

function faceName(face: string): string {
  return face === '' ? destination : `${destination}.${face}`;
}

async function sharesNetwork(bus: DbusConnection, owner: string, signal: AbortSignal): Promise<boolean> {
  const [pid] = await bus.call(
    {
      destination: 'org.freedesktop.DBus',
      path: '/org/freedesktop/DBus',
      interface: 'org.freedesktop.DBus',
      member: 'GetConnectionUnixProcessID',
      signature: 's',
      body: [owner],
    },
    signal,
  );
  const [theirs, ours] = await Promise.all([
    readlink(`/proc/${Number(pid)}/ns/net`),
    readlink('/proc/self/ns/net'),
  ]);
  return theirs === ours;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
