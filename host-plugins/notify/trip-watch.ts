import { tripShape } from '../host-bus/host-shapes.ts';
import { hostBusName, hostPath } from '../host-bus/object-path.ts';
import type { DbusConnection } from '../system/dbus/dbus-connection.ts';
import { plainDbusValue } from '../system/dbus/dbus-value.ts';
import type { TripProperties } from './show-trip.ts';

const tripFace = tripShape.name;
const objectManager = 'org.freedesktop.DBus.ObjectManager';
const properties = 'org.freedesktop.DBus.Properties';

type Interfaces = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The trips of this device's wdockd as they are, whoever asked for them. */
export class TripWatch {
  readonly #bus: DbusConnection;
  readonly #trips = new Map<string, TripProperties>();
  readonly #hear: (path: string, trip: TripProperties) => void;

  /** @param hear gets each trip that runs, and each change of it, its end at last */
  constructor(systemBus: DbusConnection, hear: (path: string, trip: TripProperties) => void) {
    this.#bus = systemBus;
    this.#hear = hear;
  }

  /** Until the signal aborts, over restarts of the bus and of wdockd. */
  start(signal: AbortSignal): void {
    const sender = hostBusName;
    const read = () => void this.#read(signal);
    const stop = [
      this.#bus.listen({ sender, interface: objectManager, member: 'InterfacesAdded' }, ({ body }) =>
        this.#found(body[0] as string, plainDbusValue(body[1]) as Interfaces),
      ),
      this.#bus.listen({ sender, interface: objectManager, member: 'InterfacesRemoved' }, ({ body }) => {
        this.#trips.delete(body[0] as string);
      }),
      this.#bus.listen({ sender, interface: properties, member: 'PropertiesChanged' }, ({ path, body }) => {
        if (body[0] === tripFace) this.#changed(path, plainDbusValue(body[1]) as Partial<TripProperties>);
      }),
      this.#bus.listenToOwner(hostBusName, (owner) => {
        this.#trips.clear();
        if (owner !== undefined) read();
      }),
      this.#bus.whenConnected(read),
    ];
    signal.addEventListener('abort', () => {
      for (const each of stop) each();
    });
  }

  cancel(path: string, signal: AbortSignal): Promise<unknown> {
    return this.#bus.call(
      {
        destination: hostBusName,
        path,
        interface: tripFace,
        member: 'Cancel',
        interactive: true,
        timeoutMs: 5 * 60_000,
      },
      signal,
    );
  }

  async #read(signal: AbortSignal): Promise<void> {
    try {
      const [objects] = await this.#bus.call(
        { destination: hostBusName, path: hostPath, interface: objectManager, member: 'GetManagedObjects' },
        signal,
      );
      for (const [path, faces] of Object.entries(plainDbusValue(objects) as Record<string, Interfaces>))
        this.#found(path, faces);
    } catch {
      // wdockd does not run; its appearance on the bus is the next occasion.
    }
  }

  #found(path: string, faces: Interfaces): void {
    const trip = faces[tripFace] as TripProperties | undefined;
    // What ended before anybody watched is no news.
    if (trip?.State !== 'running') return;
    this.#trips.set(path, trip);
    this.#hear(path, trip);
  }

  #changed(path: string, change: Partial<TripProperties>): void {
    const before = this.#trips.get(path);
    if (before === undefined) return;
    const trip = { ...before, ...change };
    if (trip.State === 'running') this.#trips.set(path, trip);
    else this.#trips.delete(path);
    this.#hear(path, trip);
  }
}
