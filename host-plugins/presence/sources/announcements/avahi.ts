import type { DbusConnection } from '../../../system/dbus/dbus-connection.ts';
import { plainDbusValue } from '../../../system/dbus/dbus-value.ts';

/** The D-Bus name of Avahi's daemon (its interfaces are in /usr/share/dbus-1/interfaces). */
export const avahiName = 'org.freedesktop.Avahi';

/** AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC. */
export const any = -1;
/** AVAHI_PUBLISH_NO_REVERSE: other services of this host keep the address's reverse entry. */
export const noReverse = 16;
/** AVAHI_PUBLISH_NO_COOKIE: the daemon adds nothing to the TXT strings that stays the same. */
export const noCookie = 32;
/** AVAHI_LOOKUP_RESULT_LOCAL: it comes from this very daemon. */
export const isLocal = 8;

/** It answers at once; its own lookups are told by signals. */
const answerMs = 10_000;

type Kind = 'Server' | 'EntryGroup' | 'ServiceBrowser' | 'ServiceResolver';

/** Calls and signals of Avahi. Errors as in DbusConnection. */
export class Avahi {
  readonly #bus: DbusConnection;

  constructor(bus: DbusConnection) {
    this.#bus = bus;
  }

  /** Starts the daemon where D-Bus can; throws `missing-dependency` where it is not installed. */
  async version(signal: AbortSignal): Promise<string> {
    return String((await this.server('GetVersionString', '', [], signal))[0]);
  }

  /**
   * Whether the daemon knows the interface under this number, too; else it serves another network namespace than ours.
   */
  async sharesInterface(index: number, name: string, signal: AbortSignal): Promise<boolean> {
    const asked = this.server('GetNetworkInterfaceNameByIndex', 'i', [index], signal);
    return await asked.then(
      ([theirs]) => theirs === name,
      () => false,
    );
  }

  async server(member: string, signature: string, body: readonly unknown[], signal: AbortSignal) {
    return await this.call('/', 'Server', member, signature, body, signal);
  }

  async call(
    path: string,
    kind: Kind,
    member: string,
    signature: string,
    body: readonly unknown[],
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    return await this.#bus.call(
      {
        destination: avahiName,
        path,
        interface: `${avahiName}.${kind}`,
        member,
        signature,
        body,
        timeoutMs: answerMs,
      },
      signal,
    );
  }

  /** Ends an object of this connection; the daemon does so by itself when the connection ends. */
  async free(path: string, kind: Kind, signal: AbortSignal): Promise<void> {
    await this.call(path, kind, 'Free', '', [], signal).catch(() => undefined); // gone already: as well
  }

  /**
   * Hears a signal of all objects of a kind. To be called before the object is made: its first signals come before
   * the answer that says its path.
   */
  hear(kind: Kind, member: string, heard: (path: string, body: readonly unknown[]) => void): () => void {
    return this.#bus.listen({ sender: avahiName, interface: `${avahiName}.${kind}`, member }, (signal) =>
      heard(signal.path, plainDbusValue(signal.body) as readonly unknown[]),
    );
  }
}
