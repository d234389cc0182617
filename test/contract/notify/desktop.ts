import { DbusConnection } from '../../../host-plugins/system/dbus/dbus-connection.ts';
import { implement } from '../../../host-plugins/system/dbus/dbus-interface.ts';
import { plainDbusValue } from '../../../host-plugins/system/dbus/dbus-value.ts';

const name = 'org.freedesktop.Notifications';
const path = '/org/freedesktop/Notifications';

const shape = {
  name,
  methods: {
    GetCapabilities: { in: [], out: [['capabilities', 'as']] },
    Notify: {
      in: [
        ['app', 's'],
        ['replaces', 'u'],
        ['icon', 's'],
        ['summary', 's'],
        ['body', 's'],
        ['actions', 'as'],
        ['hints', 'a{sv}'],
        ['timeout', 'i'],
      ],
      out: [['id', 'u']],
    },
    CloseNotification: { in: [['id', 'u']], out: [] },
  },
  properties: {},
  signals: {
    ActionInvoked: [
      ['id', 'u'],
      ['action', 's'],
    ],
    NotificationClosed: [
      ['id', 'u'],
      ['reason', 'u'],
    ],
  },
} as const;

export interface Seen {
  readonly id: number;
  readonly replaces: number;
  readonly summary: string;
  readonly body: string;
  readonly actions: readonly string[];
  readonly percent: number | undefined;
}

/**
 * What a desktop is to those who notify: org.freedesktop.Notifications as the Desktop Notifications Specification 1.2 has it,
 * with a person who can be made to press and to put away. A real one, which needs a screen, is in dunst.test.ts.
 */
export class Desktop implements AsyncDisposable {
  readonly #bus: DbusConnection;
  readonly seen: Seen[] = [];
  readonly #takenAway = new Set<number>();
  #last = 0;
  #sender = '';
  #woken = Promise.withResolvers<void>();

  private constructor(address: string) {
    this.#bus = new DbusConnection(address);
  }

  static async start(address: string, capabilities: readonly string[]): Promise<Desktop> {
    const desktop = new Desktop(address);
    const notify = (args: readonly unknown[], sender: string) => {
      desktop.#sender = sender;
      return desktop.#show(args);
    };
    const handlers = {
      GetCapabilities: () => [[...capabilities]],
      Notify: notify,
      CloseNotification: (args: readonly unknown[]) => desktop.#takeAway(Number(args[0])),
    };
    desktop.#bus.export(path, implement(shape, handlers, {}));
    await desktop.#bus.ownName(name, AbortSignal.timeout(10_000));
    return desktop;
  }

  /** The first notification, shown or to come, of which this is true. */
  async until(what: (seen: Seen) => boolean): Promise<Seen> {
    for (;;) {
      const found = this.seen.find(what);
      if (found !== undefined) return found;
      await this.#woken.promise;
    }
  }

  /** Resolves when whoever notified has taken it from the screen. */
  async takenAway(id: number): Promise<void> {
    while (!this.#takenAway.has(id)) await this.#woken.promise;
  }

  press(id: number, action: string): void {
    this.#bus.emit(path, name, 'ActionInvoked', 'us', [id, action]);
  }

  /** Resolves when whoever notified has heard of it: what is sent to them comes in order. */
  async putAway(id: number): Promise<void> {
    this.#bus.emit(path, name, 'NotificationClosed', 'uu', [id, 2]);
    const peer = { destination: this.#sender, path, interface: 'org.freedesktop.DBus.Peer', member: 'Ping' };
    await this.#bus.call(peer, AbortSignal.timeout(10_000)).catch(() => undefined); // an answer, whichever
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bus[Symbol.asyncDispose]();
  }

  #show(args: readonly unknown[]): readonly unknown[] {
    const plain = plainDbusValue(args) as unknown[];
    const [, replaces, , summary, body, actions, hints] = plain as [
      string,
      number,
      string,
      string,
      string,
      string[],
      { value?: number },
    ];
    const id = replaces === 0 ? ++this.#last : replaces;
    // Nobody presses what they do not see: first the one who notified gets the number.
    setImmediate(() => {
      this.seen.push({ id, replaces, summary, body, actions, percent: hints.value });
      this.#wake();
    });
    return [id];
  }

  #takeAway(id: number): readonly unknown[] {
    this.#takenAway.add(id);
    this.#bus.emit(path, name, 'NotificationClosed', 'uu', [id, 3]);
    this.#wake();
    return [];
  }

  #wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers();
  }
}
