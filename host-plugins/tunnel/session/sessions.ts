import { randomBytes, timingSafeEqual } from 'node:crypto';
import { DockError } from '../../../protocol/dock-error.ts';
import { dialAndUpgrade } from '../../pairing/dial-and-upgrade.ts';
import type { DeviceId } from '../../pairing/fingerprint.ts';
import type { Identity } from '../../pairing/identity.ts';
import { readReachablePlaces } from '../../pairing/link-places.ts';
import type { DeviceUpgrade, SecureServer } from '../../pairing/secure-server.ts';
import type { TrustedDevice, TrustStore } from '../../pairing/trust-store.ts';
import { untilAborted } from '../../pairing/until-aborted.ts';
import { askForLink, grantLink, linkProtocol, readLinkRequest, refuseLink } from './link-handshake.ts';
import { LinkKeeper } from './link-keeper.ts';
import { Session, type SessionNames, type SessionTold } from './session.ts';

/** A session that has no channel ends after this; the next channel makes a new one, ms. */
const idleMs = 30_000;
const lookMs = 5_000;
/** Sessions of one device at a time: one, and one more where both dialled at once; more are a defect or an attack. */
const maxPerDevice = 4;

export interface SessionsOptions {
  readonly identity: Identity;
  readonly trust: TrustStore;
  readonly server: SecureServer;
  /** How long a session waits for a link before it is given up, ms. */
  readonly patienceMs: number;
  readonly onOpening: SessionTold['onOpening'];
}

interface SessionEntry {
  readonly keeper: LinkKeeper;
  idleSince: number;
  /** The places of this device that the other one was told last, as JSON. */
  told: string;
}

/** The sessions with all devices: made when a channel needs one, joined by further links, ended when nothing uses them. */
export class Sessions {
  readonly #options: SessionsOptions;
  /** Sessions do not outlive this process: the other end knows by it that one began anew. */
  readonly #life = randomBytes(16).toString('hex');
  readonly #sessions = new Map<Session, SessionEntry>();
  readonly #dialling = new Map<DeviceId, Promise<Session>>();
  readonly #stopping = new AbortController();
  readonly #watch: NodeJS.Timeout;

  constructor(options: SessionsOptions) {
    this.#options = options;
    options.server.onUpgrade(linkProtocol, (upgrade) => this.#answer(upgrade));
    options.trust.on('forgotten', (device) => {
      this.#endAll(device.id, new DockError('untrusted', `"${device.name}" is not trusted any more`));
    });
    options.trust.hints.on('changed', (deviceId) => {
      for (const [session, { keeper }] of this.#sessions)
        if (session.names.deviceId === deviceId) keeper.look();
    });
    this.#watch = setInterval(() => this.#look(), Math.min(lookMs, options.patienceMs / 4));
    this.#watch.unref();
  }

  get all(): readonly Session[] {
    return [...this.#sessions.keys()];
  }

  /** The session with the device, or a new one. Throws as dialling does. */
  async with(device: TrustedDevice, signal: AbortSignal): Promise<Session> {
    const { signal: stopping } = this.#stopping;
    if (stopping.aborted) throw DockError.from(stopping.reason, 'cancelled');
    const current = this.#current(device.id);
    if (current !== undefined) return current;
    let attempt = this.#dialling.get(device.id);
    if (attempt === undefined) {
      attempt = this.#dial(device).finally(() => this.#dialling.delete(device.id));
      this.#dialling.set(device.id, attempt);
      attempt.catch(() => undefined); // each waiter below may have left
    }
    return await untilAborted(attempt, signal);
  }

  close(): void {
    const why = new DockError('cancelled', 'wdockd is stopping');
    this.#stopping.abort(why);
    clearInterval(this.#watch);
    for (const session of this.all) session.end(why);
  }

  /** Where both ends have dialled at once, both take the same of the two. */
  #current(deviceId: DeviceId): Session | undefined {
    const own = this.#options.identity.id;
    const alive = this.all.filter(({ names }) => names.deviceId === deviceId);
    const made = (side: 'first' | 'second') => alive.findLast(({ names }) => names.side === side);
    return own < deviceId ? (made('first') ?? made('second')) : (made('second') ?? made('first'));
  }

  async #dial(device: TrustedDevice): Promise<Session> {
    const { identity, trust } = this.#options;
    const { signal } = this.#stopping;
    const link = await dialAndUpgrade(
      identity,
      device,
      trust.hints.toDial(device.id),
      (socket) => askForLink(socket, { life: this.#life }, device.name, signal),
      signal,
    );
    if (trust.byId(device.id) === undefined || signal.aborted) {
      link.socket.destroy();
      throw new DockError('untrusted', `"${device.name}" was forgotten meanwhile`);
    }
    const { id, secret, life } = link;
    const session = this.#add({
      id,
      secret,
      life,
      deviceId: device.id,
      deviceName: device.name,
      side: 'first',
    });
    session.addLink(link.socket, link.head);
    return session;
  }

  #answer({ device, request, socket, head }: DeviceUpgrade): void {
    try {
      if (this.#stopping.signal.aborted) throw new DockError('conflict', 'wdockd is stopping');
      const { life, join } = readLinkRequest(request);
      this.#endOtherLives(device, life);
      if (join === undefined) {
        const session = this.#make(device, life);
        grantLink(socket, { life: this.#life, id: session.names.id, secret: session.names.secret });
        session.addLink(socket, head);
        return;
      }
      const session = this.all.find(({ names }) => names.id === join.id && names.deviceId === device.id);
      if (session === undefined || !sameSecret(session.names.secret, join.secret)) {
        throw new DockError('not-found', 'there is no such session here');
      }
      grantLink(socket, { life: this.#life });
      session.addLink(socket, head);
    } catch (error) {
      refuseLink(socket, DockError.from(error));
    }
  }

  #make(device: TrustedDevice, life: string): Session {
    if (this.all.filter(({ names }) => names.deviceId === device.id).length >= maxPerDevice) {
      throw new DockError('conflict', `there are ${maxPerDevice} sessions with "${device.name}" already`);
    }
    return this.#add({
      id: randomBytes(16).toString('hex'),
      secret: randomBytes(32).toString('hex'),
      life,
      deviceId: device.id,
      deviceName: device.name,
      side: 'second',
    });
  }

  #add(names: SessionNames): Session {
    const { identity, trust, onOpening } = this.#options;
    const session = new Session(names, {
      onOpening,
      onChange: (changed) => {
        const entry = this.#sessions.get(changed);
        if (entry === undefined) return;
        if (changed.channelCount > 0) entry.idleSince = performance.now();
        entry.keeper.look();
      },
      onOver: (over) => {
        this.#sessions.get(over)?.keeper.close();
        this.#sessions.delete(over);
      },
    });
    const keeper = new LinkKeeper({ identity, trust, session, life: this.#life });
    const entry = { keeper, idleSince: performance.now(), told: '' };
    this.#sessions.set(session, entry);
    void this.#tellPlaces(session, entry);
    return session;
  }

  /** Where this device can be reached, if that is news: a cable may be put in at any time. */
  async #tellPlaces(session: Session, entry: SessionEntry): Promise<void> {
    const places = await readReachablePlaces(this.#options.server.address);
    const told = JSON.stringify(places);
    if (session.over !== undefined || told === entry.told) return;
    entry.told = told;
    session.sayPlaces(places);
  }

  /** Sessions with a wdockd that is not there any more are over, whether or not somebody has noticed. */
  #endOtherLives(device: TrustedDevice, life: string): void {
    for (const session of this.all) {
      const { names } = session;
      if (names.deviceId !== device.id || names.life === life) continue;
      session.end(
        new DockError(
          'peer-gone',
          `wdockd on "${device.name}" was started anew; what the session carried has to begin again`,
        ),
      );
    }
  }

  #endAll(deviceId: DeviceId, why: DockError): void {
    for (const session of this.all) if (session.names.deviceId === deviceId) session.end(why);
  }

  #look(): void {
    const now = performance.now();
    const { patienceMs } = this.#options;
    for (const [session, entry] of this.#sessions) {
      const { linklessSince, channelCount, names } = session;
      if (channelCount > 0) {
        entry.idleSince = now;
        void this.#tellPlaces(session, entry);
      }
      if (now - entry.idleSince >= idleMs) {
        session.end(
          new DockError('peer-gone', 'nothing has used it for a while', { detail: { idle: true } }),
        );
      } else if (linklessSince !== undefined && now - linklessSince >= patienceMs) {
        const limit =
          patienceMs >= 120_000 ? `${Math.round(patienceMs / 60_000)} minutes` : `${patienceMs / 1_000} s`;
        session.end(
          new DockError(
            'peer-gone',
            `"${names.deviceName}" could not be reached for ${limit}, so its session was given up; is it on, and in reach?`,
          ),
        );
      }
    }
  }
}

function sameSecret(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
