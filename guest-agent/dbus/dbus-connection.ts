import { Message, type MessageBus, MessageFlag, MessageType, sessionBus } from 'dbus-next';
import { DockError } from '../../protocol/dock-error.ts';
import { retryDelayMs, sleep } from '../retry-delay.ts';
import { untilAborted } from '../until-aborted.ts';
import { withinSignals } from '../within-signals.ts';
import type { DbusCall } from './dbus-call.ts';
import { dbusErrorName, describeFailure } from './dbus-failure.ts';
import type { DbusInterface } from './dbus-interface.ts';
import { type DbusMatch, type DbusSignal, formatMatchRule } from './dbus-match.ts';
import { DbusObjects } from './dbus-objects.ts';
import { makeVariant } from './dbus-value.ts';
import { busName, isFollowed, ownerMatch, SignalListeners } from './signal-listeners.ts';

export { dbusErrorName };

/** One connection to the bus while it lasts; `gone` is aborted when it ends. */
interface Link {
  readonly bus: MessageBus;
  readonly gone: AbortController;
}

const daemon = { destination: busName, path: '/org/freedesktop/DBus', interface: busName };
/** By credentials of the kernel; ANONYMOUS on buses that let in whoever reaches their socket. The library's third one needs a home folder. */
const authMethods = ['EXTERNAL', 'ANONYMOUS'] as const;
const doNotQueue = 4;
/** A flag of messages that the library does not name. */
const allowInteractive = 4;

/**
 * A connection to a message bus that is there again after the bus was: it reconnects with back-off, and renews
 * match rules, names and exported objects. Only the library's low-level calls are used: its proxies leak match
 * rules, lose signals after a service restarts, and leave calls hanging when the bus dies.
 *
 * Errors: `io` when the bus ends during a call or the service answers with an error (then `detail.dbusError` is
 * its name, see `dbusErrorName`), `missing-dependency` when nobody owns the destination, `timeout`, `cancelled`.
 */
export class DbusConnection implements AsyncDisposable {
  readonly #address: string;
  readonly #note: (text: string) => void;
  readonly #closed = new AbortController();
  readonly #objects = new DbusObjects();
  readonly #listeners = new SignalListeners();
  /** Match rules with the number of listeners that need them. */
  readonly #rules = new Map<string, number>();
  readonly #names = new Set<string>();
  readonly #onConnected = new Set<() => void>();
  readonly #running: Promise<void>;
  #link: Link | undefined;
  #whenLinked: (() => void)[] = [];

  /**
   * @param address `unix:path=…`; an abstract socket is unreachable without native code.
   * @param note gets a line when the bus cannot be reached or is lost.
   */
  constructor(address: string, note: (text: string) => void = () => {}) {
    if (!/(^|;)unix:path=/.test(address)) {
      throw new DockError(
        'usage',
        `"${address}" is not a bus address that can be used; give one with unix:path=`,
      );
    }
    this.#address = address;
    this.#note = note;
    this.#running = this.#keepConnected();
  }

  /** Our unique name; undefined while not connected. */
  get uniqueName(): string | undefined {
    return (this.#link?.bus as { name?: string } | undefined)?.name;
  }

  /** Sends a call, as soon as there is a bus, and waits for its answer: the body, variants unopened. */
  async call(call: DbusCall, signal: AbortSignal): Promise<readonly unknown[]> {
    const what = `${call.interface}.${call.member} of ${call.destination}`;
    const limit = new AbortController();
    const timer = setTimeout(
      () =>
        limit.abort(new DockError('timeout', `no answer to ${what} within ${call.timeoutMs ?? 25_000} ms`)),
      call.timeoutMs ?? 25_000,
    );
    try {
      const link = await this.#linked([signal, limit.signal]);
      return await withinSignals(this.#send(link, call, what), [signal, limit.signal, link.gone.signal]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A property, its variant unopened. */
  async getProperty(
    target: { destination: string; path: string; interface: string },
    name: string,
    signal: AbortSignal,
    timeoutMs?: number,
  ): Promise<unknown> {
    const [value] = await this.call(
      {
        destination: target.destination,
        path: target.path,
        interface: 'org.freedesktop.DBus.Properties',
        member: 'Get',
        signature: 'ss',
        body: [target.interface, name],
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      },
      signal,
    );
    return value;
  }

  /** Unique name of the owner, undefined where nobody owns the name (and nothing is started to own it). */
  async ownerOf(name: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      const [owner] = await this.call(
        { ...daemon, member: 'GetNameOwner', signature: 's', body: [name] },
        signal,
      );
      return String(owner);
    } catch (error) {
      if (dbusErrorName(error) === 'org.freedesktop.DBus.Error.NameHasNoOwner') return undefined;
      throw error;
    }
  }

  /**
   * Hears signals from now on, also over reconnections, until the result is called. What is sent after this
   * returned is heard (the bus keeps the order of our requests); what is missed while the bus is away stays missed.
   */
  listen(match: DbusMatch, hear: (signal: DbusSignal) => void): () => void {
    const listener = { match, hear };
    const isNew = this.#listeners.add(listener);
    const rules = [match];
    if (isFollowed(match.sender)) rules.unshift(ownerMatch(match.sender));
    for (const rule of rules) this.#useRule(formatMatchRule(rule));
    if (isNew && match.sender !== undefined) this.#lookUpOwner(match.sender);
    return () => {
      if (!this.#listeners.remove(listener)) return;
      for (const rule of rules) this.#dropRule(formatMatchRule(rule));
    };
  }

  /** Tells each change of a name's owner; undefined when it has none. Also works for unique names. */
  listenToOwner(name: string, hear: (owner: string | undefined) => void): () => void {
    return this.listen(ownerMatch(name), (signal) => hear((signal.body[2] as string) || undefined));
  }

  /** Runs `then` now, if there is a bus, and after each reconnection, when rules and names are renewed. */
  whenConnected(then: () => void): () => void {
    this.#onConnected.add(then);
    if (this.#link !== undefined) then();
    return () => this.#onConnected.delete(then);
  }

  /** Owns a name from now on; throws `conflict` when another process has it. */
  async ownName(name: string, signal: AbortSignal): Promise<void> {
    const [reply] = await this.call(
      { ...daemon, member: 'RequestName', signature: 'su', body: [name, doNotQueue] },
      signal,
    );
    // 1: primary owner, 4: already owner.
    if (reply !== 1 && reply !== 4) {
      throw new DockError('conflict', `another process owns ${name} on ${this.#address}; stop it first`);
    }
    this.#names.add(name);
  }

  export(path: string, offered: DbusInterface): void {
    this.#objects.add(path, offered);
  }

  /** The object is there no longer; calls that it is answering end as they would. */
  unexport(path: string): void {
    this.#objects.remove(path);
  }

  /** Lost where there is no bus: signals are news, and who was not there reads the state. */
  emit(path: string, face: string, member: string, signature: string, body: readonly unknown[]): void {
    const message = Message.newSignal(path, face, member, signature, [...body]);
    try {
      this.#link?.bus.send(message);
    } catch (error) {
      this.#note(`could not send ${face}.${member}: ${String(error)}`);
    }
  }

  emitPropertiesChanged(path: string, offered: DbusInterface, names: readonly string[]): void {
    const changed: Record<string, unknown> = {};
    for (const name of names) {
      const property = offered.properties[name];
      if (property !== undefined) changed[name] = makeVariant(property.signature, property.read());
    }
    this.emit(path, 'org.freedesktop.DBus.Properties', 'PropertiesChanged', 'sa{sv}as', [
      offered.name,
      changed,
      [],
    ]);
  }

  /** Ends the connection; calls that wait reject with `cancelled`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new DockError('cancelled', `the connection to ${this.#address} was closed`));
    this.#link?.bus.disconnect();
    await this.#running;
  }

  async #keepConnected(): Promise<void> {
    for (let attempt = 0; !this.#closed.signal.aborted; attempt++) {
      try {
        const link = await this.#connect();
        this.#renew(link);
        attempt = 0;
        await untilAborted(link.gone.signal);
        this.#link = undefined;
        if (!this.#closed.signal.aborted)
          this.#note(`the message bus at ${this.#address} has gone; reconnecting`);
      } catch (error) {
        if (!this.#closed.signal.aborted && attempt === 0)
          this.#note(`${DockError.from(error).message}; trying again until it is there`);
      }
      await sleep(retryDelayMs(attempt), this.#closed.signal).catch(() => {});
    }
  }

  async #connect(): Promise<Link> {
    const bus = sessionBus({ busAddress: this.#address, authMethods: [...authMethods] });
    const gone = new AbortController();
    const lost = (why: unknown): void =>
      gone.abort(
        new DockError('io', `lost the message bus at ${this.#address}: ${String(why)}`, { cause: why }),
      );
    // The library has no event for the end of a connection, so the stream beneath is watched.
    const stream = (bus as unknown as { _connection: { stream: NodeJS.EventEmitter } })._connection.stream;
    stream.on('close', () => lost('it closed the connection'));
    bus.on('error', lost);
    const connected = new Promise<void>((resolve) => bus.once('connect', () => resolve()));
    try {
      await withinSignals(connected, [gone.signal, this.#closed.signal, AbortSignal.timeout(10_000)]);
    } catch (error) {
      bus.disconnect();
      throw new DockError('io', `no message bus at ${this.#address}: ${DockError.from(error).message}`, {
        cause: error,
      });
    }
    return { bus, gone };
  }

  #renew(link: Link): void {
    link.bus.on('message', (message: Message) => {
      if (message.type === MessageType.SIGNAL) this.#listeners.route(message);
    });
    (link.bus as unknown as { addMethodHandler(handle: (call: Message) => boolean): void }).addMethodHandler(
      (call) => this.#answer(link, call),
    );
    this.#link = link;
    this.#listeners.forgetOwners();
    for (const rule of this.#rules.keys()) this.#tellDaemon('AddMatch', rule);
    for (const name of this.#listeners.followed) this.#lookUpOwner(name);
    for (const name of this.#names)
      this.ownName(name, this.#closed.signal).catch((error: unknown) =>
        this.#note(DockError.from(error).message),
      );
    for (const waiting of this.#whenLinked.splice(0)) waiting();
    for (const then of this.#onConnected) then();
  }

  #answer(link: Link, call: Message): boolean {
    const reply = this.#objects.answer({
      sender: call.sender,
      path: call.path,
      interface: call.interface,
      member: call.member,
      signature: call.signature ?? '',
      body: call.body ?? [],
      interactive: (call.flags & allowInteractive) !== 0,
    });
    if (reply === undefined) return false;
    void reply.then((answer) => {
      if ((call.flags & MessageFlag.NO_REPLY_EXPECTED) !== 0) return;
      try {
        link.bus.send(
          answer.kind === 'return'
            ? Message.newMethodReturn(call, answer.signature, [...answer.body])
            : Message.newError(call as unknown as string, answer.name, answer.text),
        );
      } catch (error) {
        this.#note(`could not answer ${call.interface}.${call.member}: ${String(error)}`);
      }
    });
    return true;
  }

  async #send(link: Link, call: DbusCall, what: string): Promise<readonly unknown[]> {
    const message = new Message({
      destination: call.destination,
      path: call.path,
      interface: call.interface,
      member: call.member,
      signature: call.signature ?? '',
      body: [...(call.body ?? [])],
      flags:
        (call.noAutoStart === true ? MessageFlag.NO_AUTO_START : 0) |
        (call.interactive === true ? allowInteractive : 0),
    });
    try {
      const reply = (await link.bus.call(message)) as Message;
      return reply.body as unknown[];
    } catch (thrown) {
      throw describeFailure(thrown, what);
    }
  }

  async #linked(signals: readonly AbortSignal[]): Promise<Link> {
    while (this.#link === undefined) {
      const appeared = new Promise<void>((resolve) => this.#whenLinked.push(resolve));
      await withinSignals(appeared, [...signals, this.#closed.signal]);
    }
    return this.#link;
  }

  #useRule(rule: string): void {
    const uses = this.#rules.get(rule) ?? 0;
    this.#rules.set(rule, uses + 1);
    if (uses === 0 && this.#link !== undefined) this.#tellDaemon('AddMatch', rule);
  }

  #dropRule(rule: string): void {
    const uses = this.#rules.get(rule) ?? 0;
    if (uses > 1) this.#rules.set(rule, uses - 1);
    else if (this.#rules.delete(rule) && this.#link !== undefined) this.#tellDaemon('RemoveMatch', rule);
  }

  #tellDaemon(member: 'AddMatch' | 'RemoveMatch', rule: string): void {
    this.call({ ...daemon, member, signature: 's', body: [rule] }, this.#closed.signal).catch(
      (error: unknown) => {
        if (this.#link !== undefined) this.#note(`${member} ${rule}: ${DockError.from(error).message}`);
      },
    );
  }

  #lookUpOwner(name: string): void {
    if (this.#link === undefined) return;
    this.ownerOf(name, this.#closed.signal).then(
      (owner) => this.#listeners.learnOwner(name, owner),
      () => {},
    );
  }
}
