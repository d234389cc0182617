import { DockError } from '../../protocol/dock-error.ts';
import type { DbusConnection } from '../system/dbus/dbus-connection.ts';
import { dbusRefusal } from '../system/dbus/dbus-interface.ts';
import { dbusErrorName, makeVariant, plainDbusValue } from '../system/dbus/dbus-value.ts';

export const polkitName = 'org.freedesktop.PolicyKit1';
const authority = {
  destination: polkitName,
  path: '/org/freedesktop/PolicyKit1/Authority',
  interface: `${polkitName}.Authority`,
} as const;
const daemon = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const;
/** Somebody has to find and type a password, ms. */
const dialogLimitMs = 5 * 60_000;
/** AllowUserInteraction of CheckAuthorizationFlags. */
const allowInteraction = 1;

/** The actions of packaging/host/org.wirelessdock.policy, without their common beginning. */
export type HostAction = 'dock' | 'manage' | 'pair' | 'force';

export interface AskedAction {
  readonly action: HostAction;
  /** For the dialogue and the rules of polkit: `workspace`, `device`. */
  readonly details: Readonly<Record<string, string>>;
}

/**
 * Decides with polkit who may do what. Root and the user that wdockd runs as may do everything, so that they are not shut
 * out where there is no polkit; then everybody else is.
 */
export class Authority {
  readonly #bus: DbusConnection;
  readonly #ownUid: number | undefined;
  #dialogs = 0;

  constructor(bus: DbusConnection, ownUid = process.getuid?.()) {
    this.#bus = bus;
    this.#ownUid = ownUid;
  }

  /**
   * Resolves when the caller may. Throws a refusal (AccessDenied, InteractiveAuthorizationRequired), and `io` or
   * `timeout` when polkit or the bus do not answer: nobody is let in for want of an answer.
   * @param sender unique name of the caller; no other connection will ever have it on this bus
   * @param interactive the caller would wait for a dialogue
   */
  async require(
    sender: string,
    { action, details }: AskedAction,
    interactive: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const uid = await this.#userOf(sender, signal);
    if (uid === 0 || uid === this.#ownUid) return;
    const id = `org.wirelessdock.${action}`;
    const [authorized, challenge] = await this.#ask(sender, id, details, interactive, signal);
    if (authorized) return;
    if (challenge && !interactive) {
      throw dbusRefusal(
        'org.freedesktop.DBus.Error.InteractiveAuthorizationRequired',
        `${id} needs a password, and the caller does not allow to ask for it`,
      );
    }
    throw dbusRefusal(
      'org.freedesktop.DBus.Error.AccessDenied',
      `user ${uid} may not do this (${id} of polkit); docs/dbus-api.md says how to allow it`,
    );
  }

  async #userOf(sender: string, signal: AbortSignal): Promise<number> {
    const [uid] = await this.#bus.call(
      { ...daemon, member: 'GetConnectionUnixUser', signature: 's', body: [sender] },
      signal,
    );
    return Number(uid);
  }

  async #ask(
    sender: string,
    id: string,
    details: Readonly<Record<string, string>>,
    interactive: boolean,
    signal: AbortSignal,
  ): Promise<[authorized: boolean, challenge: boolean]> {
    const cancellation = interactive ? `wdockd-${++this.#dialogs}` : '';
    const subject = ['system-bus-name', { name: makeVariant('s', sender) }];
    try {
      const [answer] = await this.#bus.call(
        {
          ...authority,
          member: 'CheckAuthorization',
          signature: '(sa{sv})sa{ss}us',
          body: [subject, id, details, interactive ? allowInteraction : 0, cancellation],
          ...(interactive ? { timeoutMs: dialogLimitMs } : {}),
        },
        signal,
      );
      const [authorized, challenge] = plainDbusValue(answer) as [boolean, boolean];
      return [authorized, challenge];
    } catch (error) {
      if (interactive) this.#endDialog(cancellation);
      if (DockError.from(error).kind === 'missing-dependency' && dbusErrorName(error) !== undefined) {
        throw dbusRefusal(
          'org.freedesktop.DBus.Error.AccessDenied',
          'only root may do this: there is no polkit here to ask about others (Debian package polkitd)',
        );
      }
      throw error;
    }
  }

  /** The caller is gone, or it took too long: nobody is to type a password for nothing. */
  #endDialog(cancellation: string): void {
    this.#bus
      .call(
        {
          ...authority,
          member: 'CancelCheckAuthorization',
          signature: 's',
          body: [cancellation],
          noAutoStart: true,
        },
        AbortSignal.timeout(5_000),
      )
      .catch(() => undefined); // it has ended by itself
  }
}
