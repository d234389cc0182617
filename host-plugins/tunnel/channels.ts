import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { DockError, type DockErrorKind } from '../../protocol/dock-error.ts';
import { DockErrorShape } from '../../protocol/dock-error-shape.ts';
import { dialAndUpgrade } from '../pairing/dial-and-upgrade.ts';
import type { DeviceId } from '../pairing/fingerprint.ts';
import type { Identity } from '../pairing/identity.ts';
import type { DeviceUpgrade, SecureServer } from '../pairing/secure-server.ts';
import type { TrustedDevice, TrustStore } from '../pairing/trust-store.ts';
import { checkChannelName, matchesChannel } from './channel-name.ts';
import { splice } from './splice.ts';

const upgradeProtocol = 'wdock-channel';
const pathPrefix = '/channel/';
/** For the answer to an opened channel: the other end connects to its local socket first, ms. */
const openDeadlineMs = 10_000;
/** A silent channel is probed after this, ms; Linux gives up after ten probes, one a second. */
const keepAliveMs = 10_000;
const maxRefusalBytes = 16 * 1024;

/** A trusted device wants to open a channel. */
export interface ChannelRequest {
  readonly deviceId: DeviceId;
  readonly deviceName: string;
  readonly name: string;
}

/** Payload of channels, bytes, as seen from this device. TLS adds 22 bytes to each record of at most 16 KiB. */
export interface ChannelTraffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

export interface Channel {
  readonly name: string;
  readonly deviceId: DeviceId;
  /** Half-open is allowed: `end()` tells the other end, and it may go on sending. */
  readonly stream: Duplex;
  traffic(): ChannelTraffic;
}

/**
 * What a device does with a channel that another opens: gives the local stream to join it with, or throws, and
 * the other end is refused with that error. This is the place to ask whether this device may have it now.
 */
export type OpenLocal = (request: ChannelRequest, signal: AbortSignal) => Promise<Duplex>;

/**
 * Named byte channels between paired devices. Each is a connection of its own, authenticated like every other
 * (secure-server.ts), which becomes the channel by an HTTP Upgrade. Bytes come out as they went in, with
 * backpressure; a channel whose connection is lost ends with an error and is not reopened by itself.
 */
export class Channels {
  readonly #identity: Identity;
  readonly #trust: TrustStore;
  readonly #acceptors = new Set<{ pattern: string; openLocal: OpenLocal }>();
  readonly #fences = new Set<{ deviceId: DeviceId; pattern: string }>();
  readonly #open = new Set<OpenChannel>();
  readonly #ended = new Map<string, ChannelTraffic>();
  readonly #stopping = new AbortController();

  constructor(options: { identity: Identity; trust: TrustStore; server: SecureServer }) {
    this.#identity = options.identity;
    this.#trust = options.trust;
    options.server.onUpgrade(upgradeProtocol, (upgrade) => void this.#accept(upgrade));
    options.trust.on('forgotten', (device) => this.#destroy((channel) => channel.deviceId === device.id));
  }

  /**
   * Opens a channel to a device. Throws `peer-gone` and `untrusted` as dialling does, the other end's error when it
   * refuses, `conflict` when this end has fenced it off.
   */
  async open(deviceId: DeviceId, name: string, signal: AbortSignal): Promise<Channel> {
    checkChannelName(name);
    const device = this.#trust.find(deviceId);
    this.#checkFences(device, name);
    const limits = AbortSignal.any([signal, this.#stopping.signal]);
    const open = (socket: TLSSocket) => upgrade(socket, device, name, limits);
    const socket = await dialAndUpgrade(this.#identity, device, this.#trust.hints.of(deviceId), open, limits);
    try {
      // what was true before the wait need not be true after it
      this.#checkFences(device, name);
      this.#trust.find(deviceId);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return this.#register(socket, device, name);
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
  }

  #destroy(which: (channel: OpenChannel) => boolean): void {
    for (const channel of this.#open) {
      if (!which(channel)) continue;
      channel.socket.destroy();
      channel.local?.destroy();
    }
  }

  #register(socket: TLSSocket, device: TrustedDevice, name: string): OpenChannel {
    socket.setKeepAlive(true, keepAliveMs);
    // whoever uses the stream has listeners of their own; before and after them an error must not end the process
    socket.on('error', () => undefined);
    const channel = new OpenChannel(socket, device.id, name);
    this.#open.add(channel);
    socket.once('close', () => {
      this.#open.delete(channel);
      const before = this.#ended.get(name) ?? { sentBytes: 0, receivedBytes: 0 };
      const last = channel.traffic();
      this.#ended.set(name, {
        sentBytes: before.sentBytes + last.sentBytes,
        receivedBytes: before.receivedBytes + last.receivedBytes,
      });
    });
    return channel;
  }

  async #accept({ device, request, socket, head }: DeviceUpgrade): Promise<void> {
    const gone = new AbortController();
    const onGone = () => gone.abort(new DockError('peer-gone', `"${device.name}" closed the channel`));
    // Its end only shows when somebody reads. It has nothing to say before it is let in, so an end means it left.
    const onReadable = () => {
      if (socket.readableLength === 0) socket.read();
    };
    socket.once('close', onGone).once('end', onGone).on('readable', onReadable);
    const signal = AbortSignal.any([gone.signal, this.#stopping.signal, AbortSignal.timeout(openDeadlineMs)]);
    let local: Duplex | undefined;
    let name: string;
    try {
      name = requestedName(request);
      this.#checkFences(device, name);
      const acceptor = [...this.#acceptors].find(({ pattern }) => matchesChannel(pattern, name));
      if (acceptor === undefined) throw new DockError('not-found', `no channel ${name} is offered here`);
      local = await acceptor.openLocal({ deviceId: device.id, deviceName: device.name, name }, signal);
      local.on('error', () => undefined);
      // what was true before the wait need not be true after it
      this.#checkFences(device, name);
      if (this.#trust.byId(device.id) === undefined || socket.destroyed) throw signal.reason;
    } catch (error) {
      local?.destroy();
      refuse(socket, DockError.from(error));
      return;
    }
    const channel = this.#register(socket, device, name);
    channel.local = local;
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${upgradeProtocol}\r\n\r\n`,
    );
    socket.off('end', onGone).off('readable', onReadable);
    if (head.length > 0) socket.unshift(head);
    channel.startCounting(head.length);
    await splice(socket, local, this.#stopping.signal).catch(() => undefined); // the ends see their own streams fail
  }

  #checkFences(device: TrustedDevice, name: string): void {
    for (const fence of this.#fences) {
      if (fence.deviceId !== device.id || !matchesChannel(fence.pattern, name)) continue;
      throw new DockError(
        'conflict',
        `the channel ${name} between this device and "${device.name}" is fenced off`,
      );
    }
  }
}

class OpenChannel implements Channel {
  readonly name: string;
  readonly deviceId: DeviceId;
  readonly socket: TLSSocket;
  /** What it is joined with here, where this end accepted it. */
  local: Duplex | undefined;
  #sentBefore = 0;
  #receivedBefore = 0;

  constructor(socket: TLSSocket, deviceId: DeviceId, name: string) {
    this.socket = socket;
    this.deviceId = deviceId;
    this.name = name;
    this.startCounting(0);
  }

  get stream(): Duplex {
    return this.socket;
  }

  /** From here on the bytes are the channel's own; `already` of those that have arrived are, too. */
  startCounting(already: number): void {
    this.#sentBefore = this.socket.bytesWritten;
    this.#receivedBefore = this.socket.bytesRead - already;
  }

  traffic(): ChannelTraffic {
    return {
      sentBytes: this.socket.bytesWritten - this.#sentBefore,
      receivedBytes: this.socket.bytesRead - this.#receivedBefore,
    };
  }
}

function requestedName(request: IncomingMessage): string {
  const url = request.url ?? '';
  const name = url.startsWith(pathPrefix) ? url.slice(pathPrefix.length) : '';
  checkChannelName(name);
  return name;
}

const refusalStatus: Partial<Record<DockErrorKind, string>> = {
  usage: '400 Bad Request',
  'not-found': '404 Not Found',
  internal: '500 Internal Server Error',
};

function refuse(socket: TLSSocket, error: DockError): void {
  const body = JSON.stringify(error.toData());
  const status = refusalStatus[error.kind] ?? '403 Forbidden';
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroySoon());
}

/** The HTTP side of opening; afterwards the socket carries the channel's bytes and nothing else. */
async function upgrade(
  socket: TLSSocket,
  device: TrustedDevice,
  name: string,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const request = httpRequest({
    createConnection: () => socket,
    path: `${pathPrefix}${name}`,
    headers: { Host: 'wdockd', Connection: 'Upgrade', Upgrade: upgradeProtocol },
    signal: AbortSignal.any([signal, AbortSignal.timeout(openDeadlineMs)]),
  });
  request.once('upgrade', (_response, _socket, head) => {
    if (head.length > 0) socket.unshift(head);
    resolve(socket);
  });
  request.once('response', (response) => {
    readRefusal(response, device).then(reject, reject);
  });
  request.once('error', (error) => {
    const kind = signal.aborted ? 'cancelled' : 'peer-gone';
    reject(
      new DockError(kind, `the channel ${name} to "${device.name}" did not open: ${error.message}`, {
        cause: error,
      }),
    );
  });
  request.end();
  try {
    return await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function readRefusal(response: IncomingMessage, device: TrustedDevice): Promise<DockError> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += (chunk as Buffer).length;
    if (length > maxRefusalBytes) break;
    chunks.push(chunk as Buffer);
  }
  const said = DockErrorShape.safeParse(parseJson(Buffer.concat(chunks).toString()));
  if (!said.success) {
    return new DockError(
      'protocol',
      `"${device.name}" answers with HTTP status ${response.statusCode}; is it a wdockd?`,
    );
  }
  const { kind, message, detail } = said.data;
  return new DockError('peer-refused', `"${device.name}" refused the channel: ${message}`, {
    detail: { ...detail, kind },
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
