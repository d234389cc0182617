import type { DbusConnection } from './dbus-connection.ts';
import { type DbusInterface, signatureOf } from './dbus-interface.ts';
import { makeVariant } from './dbus-value.ts';

const name = 'org.freedesktop.DBus.ObjectManager';
const managed = 'a{oa{sa{sv}}}';

/** Objects below a root that tells of them: org.freedesktop.DBus.ObjectManager of the D-Bus specification. */
export class ObjectTree {
  readonly #bus: DbusConnection;
  readonly #root: string;
  readonly #objects = new Map<string, DbusInterface>();
  /** Of each object, what was told last: property and value, as text that can be compared. */
  readonly #told = new Map<string, Map<string, string>>();
  readonly #manager: DbusInterface = {
    name,
    methods: {
      GetManagedObjects: { in: [], out: [['objects', managed]], handle: () => [this.#list()] },
    },
    properties: {},
    signals: {
      InterfacesAdded: [
        ['object', 'o'],
        ['interfaces', 'a{sa{sv}}'],
      ],
      InterfacesRemoved: [
        ['object', 'o'],
        ['interfaces', 'as'],
      ],
    },
  };

  /** @param offered the root's own interface, which is not among the objects that it manages */
  constructor(bus: DbusConnection, root: string, offered: DbusInterface) {
    this.#bus = bus;
    this.#root = root;
    bus.export(root, this.#manager);
    bus.export(root, offered);
  }

  has(path: string): boolean {
    return this.#objects.has(path);
  }

  add(path: string, offered: DbusInterface): void {
    this.#objects.set(path, offered);
    this.#told.set(path, comparable(offered));
    this.#bus.export(path, offered);
    this.#emit('InterfacesAdded', [path, { [offered.name]: values(offered) }]);
  }

  /** Does nothing where there is no such object. */
  remove(path: string): void {
    const offered = this.#objects.get(path);
    if (offered === undefined) return;
    this.#objects.delete(path);
    this.#told.delete(path);
    this.#bus.unexport(path);
    this.#emit('InterfacesRemoved', [path, [offered.name]]);
  }

  /** Tells the properties that are not as they were told last, if any. */
  refresh(path: string): void {
    const offered = this.#objects.get(path);
    const before = this.#told.get(path);
    if (offered === undefined || before === undefined) return;
    const now = comparable(offered);
    const changed = [...now].filter(([each, value]) => before.get(each) !== value).map(([each]) => each);
    if (changed.length === 0) return;
    this.#told.set(path, now);
    this.#bus.emitPropertiesChanged(path, offered, changed);
  }

  /** Sends a signal of the object's interface. */
  signal(path: string, member: string, body: readonly unknown[]): void {
    const offered = this.#objects.get(path);
    const args = offered?.signals[member];
    if (offered === undefined || args === undefined) return;
    this.#bus.emit(path, offered.name, member, signatureOf(args), body);
  }

  #list(): Record<string, unknown> {
    return Object.fromEntries(
      [...this.#objects].map(([path, offered]) => [path, { [offered.name]: values(offered) }]),
    );
  }

  #emit(member: 'InterfacesAdded' | 'InterfacesRemoved', body: readonly unknown[]): void {
    this.#bus.emit(this.#root, name, member, signatureOf(this.#manager.signals[member] ?? []), body);
  }
}

function comparable({ properties }: DbusInterface): Map<string, string> {
  return new Map(Object.entries(properties).map(([each, { read }]) => [each, JSON.stringify(read())]));
}

function values({ properties }: DbusInterface): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(properties).map(([each, { signature, read }]) => [each, makeVariant(signature, read())]),
  );
}
