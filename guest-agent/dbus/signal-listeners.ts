import { type DbusMatch, type DbusSignal, matchesSignal, type NameOwner } from './dbus-match.ts';

export interface SignalListener {
  readonly match: DbusMatch;
  readonly hear: (signal: DbusSignal) => void;
}

export const busName = 'org.freedesktop.DBus';

/**
 * Who listens to which signals of a connection, and who owns the well-known names that they follow. The library's
 * own cache of owners is not used: it goes on believing in a service that was started again.
 */
export class SignalListeners {
  readonly #listeners = new Set<SignalListener>();
  readonly #owners = new Map<string, NameOwner>();

  /** Well-known names whose owners have to be known. */
  get followed(): string[] {
    return [...this.#owners.keys()];
  }

  /** Returns whether this listener's sender has to be looked up: it was not followed before. */
  add(listener: SignalListener): boolean {
    this.#listeners.add(listener);
    const { sender } = listener.match;
    if (!isFollowed(sender) || this.#owners.has(sender)) return false;
    this.#owners.set(sender, { known: false });
    return true;
  }

  /** False when it was not there. */
  remove(listener: SignalListener): boolean {
    if (!this.#listeners.delete(listener)) return false;
    const { sender } = listener.match;
    const others = [...this.#listeners].some(({ match }) => match.sender === sender);
    if (!others && sender !== undefined) this.#owners.delete(sender);
    return true;
  }

  /** On a new connection: all have to be looked up again. */
  forgetOwners(): void {
    for (const name of this.#owners.keys()) this.#owners.set(name, { known: false });
  }

  /** The answer to a look-up. A change that was signalled meanwhile is newer. */
  learnOwner(name: string, uniqueName: string | undefined): void {
    if (this.#owners.get(name)?.known === false) this.#owners.set(name, { known: true, uniqueName });
  }

  /** Hands a signal to those who listen to it. */
  route(signal: DbusSignal): void {
    if (signal.sender === busName && signal.member === 'NameOwnerChanged') {
      const [name, , owner] = signal.body as [string, string, string];
      if (this.#owners.has(name)) this.#owners.set(name, { known: true, uniqueName: owner || undefined });
    }
    for (const { match, hear } of [...this.#listeners]) {
      const owner = match.sender === undefined ? undefined : this.#owners.get(match.sender);
      if (matchesSignal(match, signal, owner)) hear(signal);
    }
  }
}

/** The match for changes of a name's owner. */
export function ownerMatch(name: string): DbusMatch {
  return { sender: busName, interface: busName, member: 'NameOwnerChanged', arg0: name };
}

/** Well-known names change owners; unique ones do not, and the bus itself sends under its own name. */
export function isFollowed(name: string | undefined): name is string {
  return name !== undefined && !name.startsWith(':') && name !== busName;
}
