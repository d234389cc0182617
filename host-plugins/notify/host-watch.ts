import { hostBusName, hostPath } from '../host-bus/object-path.ts';
import type { DbusConnection, DbusSignal } from '../system/dbus/dbus-connection.ts';
import { plainDbusValue } from '../system/dbus/dbus-value.ts';

const objectManager = 'org.freedesktop.DBus.ObjectManager';
const properties = 'org.freedesktop.DBus.Properties';
/** Somebody may have to find and type a password, ms. */
const dialogLimitMs = 5 * 60_000;

export type HostProperties = Readonly<Record<string, unknown>>;
type Interfaces = Readonly<Record<string, HostProperties>>;

/** @param found undefined: it is not there any more, or nobody is there to say */
type Hear = (path: string, face: string, found: HostProperties | undefined) => void;

/** The objects of this device's wdockd as they are. */
export class HostWatch {
  readonly #bus: DbusConnection;
  readonly #hear: Hear;
  /** By path, then by interface. */
  readonly #objects = new Map<string, Map<string, HostProperties>>();

  constructor(systemBus: DbusConnection, hear: Hear) {
    this.#bus = systemBus;
    this.#hear = hear;
  }

  /** Until the signal aborts, over restarts of the bus and of wdockd. */
  start(signal: AbortSignal): void {
    const sender = hostBusName;
    const read = () => void this.#read(signal);
    // A signal is heard as it arrives, and an answer before it a moment later: that one must not take the change back.
    const later =
      <Heard>(take: (heard: Heard) => void) =>
      (heard: Heard) =>
        void setImmediate(take, heard);
    const listen = (face: string, member: string, take: (told: DbusSignal) => void) =>
      this.#bus.listen({ sender, interface: face, member }, later(take));
    const stop = [
      listen(objectManager, 'InterfacesAdded', ({ body }) =>
        this.#found([[body[0] as string, plainDbusValue(body[1]) as Interfaces]]),
      ),
      listen(objectManager, 'InterfacesRemoved', ({ body }) => this.#gone(body[0] as string)),
      listen(properties, 'PropertiesChanged', ({ path, body }) =>
        this.#changed(path, body[0] as string, plainDbusValue(body[1]) as HostProperties),
      ),
      this.#bus.listenToOwner(
        hostBusName,
        later((owner: string | undefined) => {
          for (const path of [...this.#objects.keys()]) this.#gone(path);
          if (owner !== undefined) read();
        }),
      ),
      this.#bus.whenConnected(read),
    ];
    signal.addEventListener('abort', () => {
      for (const each of stop) each();
    });
  }

  read(path: string, face: string): HostProperties | undefined {
    return this.#objects.get(path)?.get(face);
  }

  /** Polkit may ask the user for a password. Throws as `DbusConnection.call`. */
  async call(
    target: { readonly path: string; readonly interface: string; readonly member: string },
    signal: AbortSignal,
    signature = '',
    body: readonly unknown[] = [],
  ): Promise<void> {
    const call = { destination: hostBusName, ...target, signature, body };
    await this.#bus.call({ ...call, interactive: true, timeoutMs: dialogLimitMs }, signal);
  }

  async #read(signal: AbortSignal): Promise<void> {
    try {
      const [objects] = await this.#bus.call(
        { destination: hostBusName, path: hostPath, interface: objectManager, member: 'GetManagedObjects' },
        signal,
      );
      this.#found(Object.entries(plainDbusValue(objects) as Record<string, Interfaces>));
    } catch {
      // wdockd does not run; its appearance on the bus is the next occasion.
    }
  }

  /** All of them are known before the first one is told. */
  #found(objects: readonly (readonly [path: string, faces: Interfaces])[]): void {
    for (const [path, faces] of objects) this.#objects.set(path, new Map(Object.entries(faces)));
    for (const [path, faces] of objects)
      for (const [face, found] of Object.entries(faces)) this.#hear(path, face, found);
  }

  #changed(path: string, face: string, change: HostProperties): void {
    const faces = this.#objects.get(path);
    const before = faces?.get(face);
    if (faces === undefined || before === undefined) return;
    const now = { ...before, ...change };
    faces.set(face, now);
    this.#hear(path, face, now);
  }

  #gone(path: string): void {
    const faces = this.#objects.get(path);
    this.#objects.delete(path);
    for (const face of faces?.keys() ?? []) this.#hear(path, face, undefined);
  }
}
