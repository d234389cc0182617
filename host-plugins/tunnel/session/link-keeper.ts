import { networkInterfaces } from 'node:os';
import { DockError } from '../../../protocol/dock-error.ts';
import { parseDeviceAddress } from '../../pairing/device-address.ts';
import { dialAndUpgrade } from '../../pairing/dial-and-upgrade.ts';
import type { Identity } from '../../pairing/identity.ts';
import type { TrustStore } from '../../pairing/trust-store.ts';
import { chooseDialTime, type DialRecord, sameWayMs } from './choose-dials.ts';
import type { LinkEnds } from './link.ts';
import { askForLink } from './link-handshake.ts';
import type { Session } from './session.ts';

/** For one attempt, ms: what answers at all does so sooner, and a way that comes back must not wait long for the next. */
const attemptMs = 3_000;
/** Looks anew at least so often, ms: interfaces come and go without a word. */
const lookMs = 1_000;

export interface LinkKeeperOptions {
  readonly identity: Identity;
  readonly trust: TrustStore;
  readonly session: Session;
  /** Of this wdockd. */
  readonly life: string;
}

/**
 * Keeps a session connected over every way that there is: the addresses that the device was given, was heard at, and
 * says itself that it has. Where the kernel would take the same two interfaces as for a link that is there, the
 * second one is dropped again. Ends the session when the other device does not know it, or this device, any more.
 */
export class LinkKeeper {
  readonly #options: LinkKeeperOptions;
  readonly #records = new Map<string, DialRecord>();
  readonly #startedAt = performance.now();
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LinkKeeperOptions) {
    this.#options = options;
    this.look();
  }

  /** Dials what is due now. Called when something has changed. */
  readonly look = (): void => {
    clearTimeout(this.#timer);
    const { session } = this.#options;
    if (session.over !== undefined || this.#closing.signal.aborted) return;
    const now = performance.now();
    let next = now + lookMs;
    // what nobody uses needs no second link, nor one at all
    for (const address of session.channelCount === 0 ? [] : this.#addresses()) {
      const at = chooseDialTime(
        hostOf(address),
        this.#records.get(address),
        {
          side: session.names.side,
          now,
          linklessSince: session.linklessSince,
          startedAt: this.#startedAt,
          connected: new Set(session.links.map(({ remote }) => remote)),
        },
        Math.random(),
      );
      if (at === undefined) continue;
      if (at <= now) void this.#dial(address);
      else next = Math.min(next, at);
    }
    this.#timer = setTimeout(this.look, next - now);
    this.#timer.unref();
  };

  close(): void {
    clearTimeout(this.#timer);
    this.#closing.abort(new DockError('cancelled', 'the session is over'));
  }

  #addresses(): Set<string> {
    const { trust, session } = this.#options;
    const device = trust.byId(session.names.deviceId);
    if (device === undefined) return new Set();
    return new Set([
      ...trust.hints.toDial(device.id),
      device.address,
      ...session.places.map(({ address }) => address),
    ]);
  }

  async #dial(address: string): Promise<void> {
    const { identity, trust, session, life } = this.#options;
    const { deviceId, deviceName, id, secret } = session.names;
    const before = this.#records.get(address);
    const record = { failures: 0, notBefore: 0, ...before, triedAt: performance.now(), dialling: true };
    this.#records.set(address, record);
    let result: Partial<DialRecord>;
    try {
      const device = { ...trust.find(deviceId), address };
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(attemptMs)]);
      const request = { life, join: { id, secret } };
      const link = await dialAndUpgrade(
        identity,
        device,
        [],
        (socket) => askForLink(socket, request, deviceName, signal),
        signal,
      );
      const ends = { local: plain(link.socket.localAddress), remote: plain(link.socket.remoteAddress) };
      if (this.#isSameWay(ends)) {
        link.socket.destroy();
        result = { failures: 0, notBefore: performance.now() + sameWayMs };
      } else {
        session.addLink(link.socket, link.head);
        result = { failures: 0, notBefore: 0 };
      }
    } catch (error) {
      this.#judge(DockError.from(error));
      result = { failures: record.failures + 1 };
    }
    this.#records.set(address, { ...record, ...result, triedAt: performance.now(), dialling: false });
    this.look();
  }

  /** Some answers say that there is nothing to wait for. */
  #judge(error: DockError): void {
    const { session } = this.#options;
    const { deviceName } = session.names;
    if (error.kind === 'peer-refused' && error.detail?.['kind'] === 'not-found') {
      session.end(
        new DockError(
          'peer-gone',
          `wdockd on "${deviceName}" was started anew, or has given this session up; what it carried has to begin again`,
          { cause: error },
        ),
      );
    }
    // (somebody else who answers where it was heard says nothing about it)
    if (error.kind === 'untrusted' && error.detail?.['stranger'] === true) session.end(error);
  }

  #isSameWay(ends: LinkEnds): boolean {
    const { session } = this.#options;
    const interfaceOf = (address: string): string | undefined =>
      Object.entries(networkInterfaces()).find(([, all = []]) =>
        all.some((each) => each.address === address),
      )?.[0];
    const peerInterfaceOf = (address: string): string | undefined =>
      session.places.find((place) => hostOf(place.address) === address)?.by;
    const [here, there] = [interfaceOf(ends.local), peerInterfaceOf(ends.remote)];
    return session.links.some(
      ({ local, remote }) =>
        remote === ends.remote ||
        (here !== undefined &&
          there !== undefined &&
          interfaceOf(local) === here &&
          peerInterfaceOf(remote) === there),
    );
  }
}

function hostOf(address: string): string {
  return parseDeviceAddress(address).host;
}

const plain = (address = ''): string => address.replace(/^::ffff:/, '');
