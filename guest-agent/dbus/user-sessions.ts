import type { DisplayAllocation } from '../../protocol/allocation.ts';
import { DockError } from '../../protocol/dock-error.ts';
import type { CompositorDisplay } from '../apply/compositor.ts';
import { chooseSession, type KnownSession } from '../decide/choose-session.ts';
import { sessionPath, sessionShape } from './agent-interface.ts';
import type { DbusConnection } from './dbus-connection.ts';
import { plainDbusValue } from './dbus-value.ts';

const login = 'org.freedesktop.login1';
const daemon = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};
/** How long a compositor may take to offer the host's mode, besides what it takes to answer. */
const modeLimitMs = 10_000;
const maxSessions = 16;
/** A keyring locks without asking anybody, ms. */
const lockLimitMs = 10_000;

/** The helpers in users' sessions, and the one that is asked. */
export class UserSessions {
  readonly #bus: DbusConnection;
  readonly #changed: (event: 'session-appeared' | 'session-gone') => void;
  #known: (KnownSession & { readonly forget: () => void })[] = [];

  constructor(bus: DbusConnection, changed: (event: 'session-appeared' | 'session-gone') => void) {
    this.#bus = bus;
    this.#changed = changed;
  }

  get count(): number {
    return this.#known.length;
  }

  /** Remembers the caller until it leaves the bus; one helper for each user. */
  async register(name: string, signal: AbortSignal): Promise<void> {
    const [uid] = await this.#bus.call(
      { ...daemon, member: 'GetConnectionUnixUser', signature: 's', body: [name] },
      signal,
    );
    for (const former of this.#known.filter((one) => one.uid === Number(uid))) this.#remove(former.name);
    if (this.#known.length >= maxSessions)
      throw new DockError('conflict', 'too many sessions have a helper already');
    const forget = this.#bus.listenToOwner(name, (owner) => {
      if (owner === undefined && this.#remove(name)) this.#changed('session-gone');
    });
    this.#known.push({ name, uid: Number(uid), forget });
    this.#changed('session-appeared');
  }

  /** The bus has gone and with it every helper's name; they register again. */
  forgetAll(): void {
    for (const { name } of [...this.#known]) this.#remove(name);
  }

  /** What the session's compositor shows, or why there is nothing to say. */
  async readDisplay(signal: AbortSignal): Promise<{ display?: CompositorDisplay; note: string }> {
    const [connector, widthPx, heightPx, scale, note] = (await this.#ask(
      'GetDisplay',
      '',
      [],
      45_000,
      signal,
    )) as [string, number, number, number, string];
    return connector === '' ? { note } : { display: { connector, widthPx, heightPx, scale }, note };
  }

  applyDisplay(wish: DisplayAllocation, signal: AbortSignal): Promise<string[]> {
    const { widthPx, heightPx, widthMm, heightMm, scale } = wish;
    const body = [widthPx, heightPx, widthMm, heightMm, scale, modeLimitMs];
    return this.#problems('ApplyDisplay', 'uuuudu', body, modeLimitMs + 90_000, signal);
  }

  setOnScreenKeyboard(on: boolean, signal: AbortSignal): Promise<string[]> {
    return this.#problems('SetOnScreenKeyboard', 'b', [on], 15_000, signal);
  }

  /** In every session, also in those that are not on the screen. */
  async lockSecrets(signal: AbortSignal): Promise<string[]> {
    const problems = this.#known.map(async ({ name }) => {
      try {
        const [said] = await this.#call(name, 'LockSecrets', '', [], lockLimitMs, signal);
        return said as string[];
      } catch (error) {
        if (signal.aborted) throw error;
        return [`a user's keyring was not locked: ${DockError.from(error).message}`];
      }
    });
    return (await Promise.all(problems)).flat();
  }

  async #problems(
    member: string,
    signature: string,
    body: unknown[],
    ms: number,
    signal: AbortSignal,
  ): Promise<string[]> {
    try {
      const [problems] = await this.#ask(member, signature, body, ms, signal);
      return problems as string[];
    } catch (error) {
      if (signal.aborted) throw error;
      return [DockError.from(error).message];
    }
  }

  async #ask(
    member: string,
    signature: string,
    body: unknown[],
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    const session = chooseSession(
      this.#known,
      this.#known.length === 0 ? undefined : await this.#activeUid(signal),
    );
    if (session === undefined) {
      throw new DockError(
        'missing-dependency',
        this.#known.length === 0
          ? "no user's session has the agent's helper (wireless-dock-agent-session.service)"
          : "the session on the screen is of a user without the agent's helper",
      );
    }
    return await this.#call(session.name, member, signature, body, timeoutMs, signal);
  }

  async #call(
    destination: string,
    member: string,
    signature: string,
    body: unknown[],
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    const helper = { destination, path: sessionPath, interface: sessionShape.name };
    const answer = await this.#bus.call({ ...helper, member, signature, body, timeoutMs }, signal);
    return plainDbusValue(answer) as unknown[];
  }

  /** User of the active session on the first seat; undefined where logind does not say. */
  async #activeUid(signal: AbortSignal): Promise<number | undefined> {
    try {
      const seat = {
        destination: login,
        path: '/org/freedesktop/login1/seat/seat0',
        interface: `${login}.Seat`,
      };
      const active = plainDbusValue(await this.#bus.getProperty(seat, 'ActiveSession', signal, 5000)) as [
        string,
        string,
      ];
      if (active[0] === '') return undefined;
      const session = { destination: login, path: active[1], interface: `${login}.Session` };
      const user = plainDbusValue(await this.#bus.getProperty(session, 'User', signal, 5000)) as [
        number,
        string,
      ];
      return user[0];
    } catch (error) {
      if (signal.aborted) throw error;
      return undefined;
    }
  }

  #remove(name: string): boolean {
    const gone = this.#known.find((one) => one.name === name);
    gone?.forget();
    this.#known = this.#known.filter((one) => one !== gone);
    return gone !== undefined;
  }
}
