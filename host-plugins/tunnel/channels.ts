import type { Duplex } from 'node:stream';
import { DockError } from '../../protocol/dock-error.ts';
import type { DeviceId } from '../pairing/fingerprint.ts';
import type { Identity } from '../pairing/identity.ts';
import type { SecureServer } from '../pairing/secure-server.ts';
import type { TrustStore } from '../pairing/trust-store.ts';
import { checkChannelName, matchesChannel } from './channel-name.ts';
import type { Session } from './session/session.ts';
import type { SessionChannel } from './session/session-channel.ts';
import { Sessions } from './session/sessions.ts';
import { splice } from './splice.ts';

/** For the answer to an opened channel; longer than the other end's own limit, and than a short cut, ms. */
const openDeadlineMs = 45_000;
/** For the local socket that is connected first, ms. */
const openLocalMs = 10_000;
/** A session without a link is given up after this, ms. */
const defaultPatienceMs = 10 * 60_000;

/** A trusted device wants to open a channel. */
export interface ChannelRequest {
  readonly deviceId: DeviceId;
  readonly deviceName: string;
  readonly name: string;
}

/** Payload of channels, bytes, as seen from this device, whatever had to be sent twice. */
export interface ChannelTraffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface Channel {
  readonly name: string;
  readonly deviceId: DeviceId;
  /**
   * Half-open is allowed: `end()` tells the other end, and it may go on sending; `finish` says that it has everything. What
   * was written must not be changed. It breaks (`peer-gone`) when the other end breaks it or the session ends.
   */
  readonly stream: Duplex;
  traffic(): ChannelTraffic;
  /** From now on what is sent here goes before all bulk. */
  raise(): void;
}

/** `bulk` waits for whatever else there is to send. */
export type ChannelPriority = 'urgent' | 'bulk';

/**
 * What a device does with a channel that another opens: gives the local stream to join it with, or throws, and
 * the other end is refused with that error. This is the place to ask whether this device may have it now.
 */
export type OpenLocal = (request: ChannelRequest, signal: AbortSignal) => Promise<Duplex>;

export interface ChannelsOptions {
  readonly identity: Identity;
  readonly trust: TrustStore;
  readonly server: SecureServer;
  /** How long a session without a link is kept, ms; default: 10 minutes. */
  readonly patienceMs?: number;
}

/**
 * Named byte channels between paired devices, all of them in one session for each device (docs/tunnel.md). Bytes
 * come out as they went in, with backpressure. A cut of all links only stalls them; when the session ends, they end with
 * an error, and are not reopened by themselves.
 */
export class Channels {
  readonly #trust: TrustStore;
  readonly #sessions: Sessions;
  readonly #acceptors = new Set<{ pattern: string; openLocal: OpenLocal }>();
  readonly #fences = new Set<{ deviceId: DeviceId; pattern: string }>();
  readonly #open = new Set<OpenChannel>();
  readonly #ended = new Map<string, ChannelTraffic>();
  readonly #stopping = new AbortController();

  constructor({ patienceMs = defaultPatienceMs, ...options }: ChannelsOptions) {
    this.#trust = options.trust;
    this.#sessions = new Sessions({
      ...options,
      patienceMs,
      onOpening: (session, id, name, gaveUp) => void this.#accept(session, id, name, gaveUp),
    });
  }

  /** Those that there are now, one for each device that a channel is open with. */
  get sessions(): readonly Session[] {
    return this.#sessions.all;
  }

  /** Bytes that went to that device a second time, because the link that they were on was lost; of the sessions that there are. */
  resentBytes(deviceId: DeviceId): number {
    const own = this.sessions.filter(({ names }) => names.deviceId === deviceId);
    return own.reduce((sum, session) => sum + session.resentBytes, 0);
  }

  /**
   * Opens a channel to a device. Throws `peer-gone` and `untrusted` as dialling does, the other end's error when it
   * refuses, `conflict` when this end has fenced it off.
   */
  async open(
    deviceId: DeviceId,
    name: string,
    signal: AbortSignal,
    priority: ChannelPriority = 'urgent',
  ): Promise<Channel> {
    checkChannelName(name);
    const device = this.#trust.find(deviceId);
    this.#checkFences(device.id, device.name, name);
    const limits = AbortSignal.any([signal, this.#stopping.signal]);
    for (;;) {
      const session = await this.#sessions.with(device, limits);
      try {
        const { id, stream } = await openIn(session, name, priority, limits);
        try {
          // what was true before the wait need not be true after it
          this.#checkFences(device.id, device.name, name);
          this.#trust.find(deviceId);
        } catch (error) {
          stream.destroy();
          throw error;
        }
        return this.#register(session, id, stream, name);
      } catch (error) {
        // it ended for having no channel, just as this one came
        if (DockError.from(error).detail?.['idle'] !== true) throw error;
      }
    }
  }

  /** Answers channels whose names match; the first that was registered wins. Dispose to answer no more. */
  accept(pattern: string, openLocal: OpenLocal): Disposable {
    const acceptor = { pattern, openLocal };
    this.#acceptors.add(acceptor);
    return { [Symbol.dispose]: () => void this.#acceptors.delete(acceptor) };
  }

  /**
   * Ends every channel with the device whose name matches, and refuses new ones, both ways, until disposed. When
   * this returns, no byte of them is handed on here any more (what the local program has taken already, it has).
   * Lives in memory: after a restart the acceptor decides.
   */
  fence(deviceId: DeviceId, pattern: string): Disposable {
    const fence = { deviceId, pattern };
    this.#fences.add(fence);
    this.#destroy((channel) => channel.deviceId === deviceId && matchesChannel(pattern, channel.name));
    return { [Symbol.dispose]: () => void this.#fences.delete(fence) };
  }

  /** Of all channels, open and ended, whose names match. */
  traffic(pattern: string): ChannelTraffic {
    let sentBytes = 0;
    let receivedBytes = 0;
    const add = (traffic: ChannelTraffic) => {
      sentBytes += traffic.sentBytes;
      receivedBytes += traffic.receivedBytes;
    };
    for (const [name, traffic] of this.#ended) if (matchesChannel(pattern, name)) add(traffic);
    for (const channel of this.#open) if (matchesChannel(pattern, channel.name)) add(channel.traffic());
    return { sentBytes, receivedBytes };
  }

  close(): void {
    this.#stopping.abort(new DockError('cancelled', 'wdockd is stopping'));
    this.#destroy(() => true);
    this.#sessions.close();
  }

  #destroy(which: (channel: OpenChannel) => boolean): void {
    for (const channel of this.#open) {
      if (!which(channel)) continue;
      channel.stream.destroy();
      channel.local?.destroy();
    }
  }

  #register(session: Session, id: number, stream: SessionChannel, name: string): OpenChannel {
    const channel = new OpenChannel(session, id, stream, name);
    this.#open.add(channel);
    const onGone = (): void => {
      this.#open.delete(channel);
      const before = this.#ended.get(name) ?? { sentBytes: 0, receivedBytes: 0 };
      const last = channel.traffic();
      this.#ended.set(name, {
        sentBytes: before.sentBytes + last.sentBytes,
        receivedBytes: before.receivedBytes + last.receivedBytes,
      });
    };
    stream.once('close', () => {
      const { local } = channel;
      // Both ends are through with it; what came last may still wait for the local program to read it.
      const whole = stream.readableEnded && stream.writableFinished;
      if (local === undefined || local.closed || !whole) {
        local?.destroy();
        onGone();
      } else {
        local.once('close', onGone);
      }
    });
    return channel;
  }

  async #accept(session: Session, id: number, name: string, gaveUp: AbortSignal): Promise<void> {
    const { deviceId, deviceName } = session.names;
    const signal = AbortSignal.any([gaveUp, this.#stopping.signal, AbortSignal.timeout(openLocalMs)]);
    let local: Duplex | undefined;
    let channel: OpenChannel;
    try {
      checkChannelName(name);
      this.#checkFences(deviceId, deviceName, name);
      const acceptor = [...this.#acceptors].find(({ pattern }) => matchesChannel(pattern, name));
      if (acceptor === undefined) throw new DockError('not-found', `no channel ${name} is offered here`);
      local = await acceptor.openLocal({ deviceId, deviceName, name }, signal);
      local.on('error', () => undefined);
      // what was true before the wait need not be true after it
      this.#checkFences(deviceId, deviceName, name);
      if (this.#trust.byId(deviceId) === undefined)
        throw new DockError('untrusted', 'it was forgotten meanwhile');
      channel = this.#register(session, id, session.accept(id), name);
    } catch (error) {
      local?.destroy();
      session.refuse(id, DockError.from(error));
      return;
    }
    channel.local = local;
    await splice(channel.stream, local, this.#stopping.signal).catch(() => undefined); // the ends see their own streams fail
  }

  #checkFences(deviceId: DeviceId, deviceName: string, name: string): void {
    for (const fence of this.#fences) {
      if (fence.deviceId !== deviceId || !matchesChannel(fence.pattern, name)) continue;
      throw new DockError(
        'conflict',
        `the channel ${name} between this device and "${deviceName}" is fenced off`,
      );
    }
  }
}

async function openIn(
  session: Session,
  name: string,
  priority: ChannelPriority,
  signal: AbortSignal,
): Promise<{ id: number; stream: SessionChannel }> {
  const late = AbortSignal.timeout(openDeadlineMs);
  try {
    return await session.open(name, priority === 'urgent', AbortSignal.any([signal, late]));
  } catch (error) {
    if (signal.aborted || !late.aborted) throw error;
    throw new DockError(
      'peer-gone',
      `"${session.names.deviceName}" did not answer within ${openDeadlineMs / 1000} s for the channel ${name}; is it on, and in reach?`,
      { cause: error },
    );
  }
}

class OpenChannel implements Channel {
  readonly name: string;
  readonly deviceId: DeviceId;
  readonly stream: SessionChannel;
  /** What it is joined with here, where this end accepted it. */
  local: Duplex | undefined;
  readonly #session: Session;
  readonly #id: number;

  constructor(session: Session, id: number, stream: SessionChannel, name: string) {
    this.#session = session;
    this.#id = id;
    this.deviceId = session.names.deviceId;
    this.stream = stream;
    this.name = name;
  }

  traffic(): ChannelTraffic {
    return { sentBytes: this.stream.sentBytes, receivedBytes: this.stream.receivedBytes };
  }

  raise(): void {
    this.#session.raise(this.#id);
  }
}
