import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { DockError } from '../../protocol/dock-error.ts';
import type { RpcTable } from '../../protocol/json-rpc.ts';
import { callPatiently, type Patience } from '../rpc/call-patiently.ts';
import type { HeartbeatTimes } from '../rpc/heartbeat.ts';
import { KeptCalls } from '../rpc/kept-calls.ts';
import type { Beat } from '../rpc/round-trips.ts';
import { type CallOptions, maxRpcMessageBytes, RpcConnection } from '../rpc/rpc-connection.ts';
import { type ErasedMethod, type ErasedService, type RpcService, rpcService } from '../rpc/rpc-server.ts';
import type { RpcMethod, RpcParams, RpcProgress, RpcResult } from '../rpc/rpc-types.ts';
import { dialAndUpgrade } from './dial-and-upgrade.ts';
import type { DeviceId } from './fingerprint.ts';
import type { Identity } from './identity.ts';
import { type Introduction, introductionHeaders, readIntroduction } from './introduction.ts';
import { readReachablePlaces } from './link-places.ts';
import type { DeviceUpgrade, SecureServer } from './secure-server.ts';
import type { TrustedDevice, TrustStore } from './trust-store.ts';
import { untilAborted, untilEither } from './until-aborted.ts';

/** Who calls, as a handler of the peer table sees it: proved by the TLS handshake, not claimed. */
export interface PeerCaller {
  readonly deviceId: DeviceId;
  readonly name: string;
}

/** What this device answers. */
export type PeerService<T extends RpcTable> = Omit<RpcService<T, PeerCaller>, 'caller' | 'table'>;

/** A heartbeat of the connection with a device, and where that is, an IP address. */
export interface PeerBeat extends Beat {
  readonly remoteAddress: string;
}

export interface PeerConnectionsOptions<T extends RpcTable> {
  readonly identity: Identity;
  readonly trust: TrustStore;
  readonly server: SecureServer;
  readonly table: T;
  readonly heartbeat?: HeartbeatTimes;
}

/** How a device is called. */
export interface PeerCallOptions<Progress>
  extends CallOptions<Progress>,
    Partial<Pick<Patience<RpcTable>, 'patienceMs' | 'onLost' | 'onFound'>> {}

/** Waits between attempts while a connection is held, ms. */
const backOffMs = [250, 500, 1_000, 2_000, 5_000] as const;
/** Connections of one device at a time; more come only from a device that loses them silently. */
const maxPerDevice = 4;
const path = '/peer';

/**
 * One logical connection to each trusted device, whoever opened it: calls take the newest one that is open, and
 * dial when there is none. Nothing is kept open for its own sake. A call with `patienceMs` is carried over connections
 * that are lost (call-patiently.ts); of any other the caller cannot know after `peer-gone` whether it was done. `hold`
 * keeps the way open, with reconnects, while a trip runs or a device is near. While somebody listens to `beat`,
 * connections are measured.
 */
export class PeerConnections<T extends RpcTable> extends EventEmitter<{
  reachable: [TrustedDevice];
  unreachable: [TrustedDevice, DockError];
  beat: [TrustedDevice, PeerBeat];
}> {
  readonly #options: PeerConnectionsOptions<T>;
  readonly #open = new Map<DeviceId, RpcConnection<T>[]>();
  readonly #dialling = new Map<DeviceId, Promise<RpcConnection<T>>>();
  readonly #upgrader = new WebSocketServer({
    noServer: true,
    maxPayload: maxRpcMessageBytes,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #stopping = new AbortController();
  /** Calls do not outlive this process: the other end knows by it that one cannot be asked for again. */
  readonly #life = randomBytes(16).toString('hex');
  readonly #kept = new Map<DeviceId, KeptCalls>();
  /** What the answers to these requests say of this device. */
  readonly #introductions = new WeakMap<IncomingMessage, Record<string, string>>();
  #service: PeerService<T> | undefined;

  constructor(options: PeerConnectionsOptions<T>) {
    super();
    this.#options = options;
    this.#upgrader.on('headers', (headers, request) => {
      for (const [name, value] of Object.entries(this.#introductions.get(request) ?? {}))
        headers.push(`${name}: ${value}`);
    });
    options.server.onUpgrade('websocket', (upgrade) => this.#accept(upgrade));
    options.trust.on('forgotten', (device) => {
      for (const connection of this.#open.get(device.id) ?? [])
        void connection.close('the device was forgotten');
      this.#kept.get(device.id)?.forget();
      this.#kept.delete(device.id);
      options.trust.hints.say(device.id, []);
    });
  }

  /**
   * Answers calls from now on. Apart from the constructor, because what answers is made of services that call
   * through this very object; to be called before the server listens.
   */
  serve(service: PeerService<T>): void {
    this.#service = service;
  }

  /** A connection to it is open now. */
  isConnected(deviceId: DeviceId): boolean {
    return this.#current(deviceId) !== undefined;
  }

  /**
   * Throws what the device's handler threw (with `peer-gone` and `untrusted`, which would be about a third one,
   * turned into `peer-refused`); `peer-gone` when it cannot be reached or the connection ends first;
   * `untrusted` when somebody else answers there or it does not know us; `not-found` for an unknown device.
   */
  async call<M extends RpcMethod<T>>(
    deviceId: DeviceId,
    method: M,
    params: RpcParams<T, M>,
    options: PeerCallOptions<RpcProgress<T, M>>,
  ): Promise<RpcResult<T, M>> {
    const { patienceMs, onLost, onFound, ...call } = options;
    const connect = (signal: AbortSignal) => this.connect(deviceId, signal);
    if (patienceMs === undefined) return await (await connect(call.signal)).call(method, params, call);
    return await callPatiently(method, params, call, { connect, patienceMs, onLost, onFound });
  }

  /**
   * The open connection, or a new one; calls that come meanwhile share the attempt. One that was begun before fails
   * by what was before, as when a cable has just been put in: whoever joined it has one made for itself.
   */
  async connect(deviceId: DeviceId, signal: AbortSignal): Promise<RpcConnection<T>> {
    const joined = this.#current(deviceId) ?? this.#dialling.get(deviceId);
    if (joined !== undefined) {
      try {
        return await untilAborted(Promise.resolve(joined), signal);
      } catch (error) {
        if (signal.aborted || DockError.from(error).kind !== 'peer-gone') throw error;
      }
    }
    const current = this.#current(deviceId);
    if (current !== undefined) return current;
    let attempt = this.#dialling.get(deviceId);
    if (attempt === undefined) {
      const device = this.#options.trust.find(deviceId);
      attempt = this.#dial(device).finally(() => this.#dialling.delete(deviceId));
      this.#dialling.set(deviceId, attempt);
      attempt.catch(() => undefined); // each waiter below may have left
    }
    return await untilAborted(attempt, signal);
  }

  /**
   * Keeps a connection to the device until disposed: dials again, with growing waits, whenever it is lost. Returns
   * at once; `reachable` and `unreachable` tell how it goes.
   */
  hold(deviceId: DeviceId): Disposable {
    const released = new AbortController();
    const signal = AbortSignal.any([released.signal, this.#stopping.signal]);
    void this.#keepOpen(deviceId, signal);
    return { [Symbol.dispose]: () => released.abort() };
  }

  /** Ends all connections; handlers of this end see their caller gone. */
  async close(): Promise<void> {
    this.#stopping.abort(new DockError('cancelled', 'wdockd is stopping'));
    const open = [...this.#open.values()].flat();
    await Promise.all(open.map((connection) => connection.close('wdockd is stopping')));
    await Promise.allSettled([...this.#dialling.values()]);
  }

  async #keepOpen(deviceId: DeviceId, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted && this.#options.trust.byId(deviceId) !== undefined; ) {
      try {
        const connection = await this.connect(deviceId, signal);
        failures = 0;
        await untilEither(connection.ended, signal);
      } catch {
        failures++; // said by `unreachable`; a forgotten device ends the loop
      }
      const waitMs = backOffMs[Math.min(failures, backOffMs.length - 1)] ?? 0;
      await untilAborted(new Promise((resolve) => setTimeout(resolve, waitMs).unref()), signal).catch(
        () => undefined,
      );
    }
  }

  #current(deviceId: DeviceId): RpcConnection<T> | undefined {
    return this.#open.get(deviceId)?.findLast((connection) => connection.open);
  }

  async #dial(device: TrustedDevice): Promise<RpcConnection<T>> {
    try {
      const { identity, trust } = this.#options;
      const { signal } = this.#stopping;
      let remoteAddress: string | undefined;
      const introduction = introductionHeaders(await this.#introduction());
      const open = (socket: TLSSocket) => {
        ({ remoteAddress } = socket);
        return openWebSocket(socket, device, introduction, signal);
      };
      const { webSocket, said } = await dialAndUpgrade(
        identity,
        device,
        trust.hints.toDial(device.id),
        open,
        signal,
      );
      if (trust.byId(device.id) === undefined) {
        webSocket.terminate();
        throw new DockError('untrusted', `"${device.name}" was forgotten meanwhile`);
      }
      return this.#adopt(device, webSocket, said, remoteAddress);
    } catch (error) {
      const why = DockError.from(error, 'peer-gone');
      this.emit('unreachable', device, why);
      throw why;
    }
  }

  #accept({ device, request, socket, head }: DeviceUpgrade): void {
    if (request.url !== path || this.#stopping.signal.aborted) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    void this.#introduction().then((introduction) => {
      this.#introductions.set(request, introductionHeaders(introduction));
      this.#upgrader.handleUpgrade(request, socket, head, (webSocket) =>
        this.#adopt(device, webSocket, readIntroduction(request.headers), socket.remoteAddress),
      );
    });
  }

  async #introduction(): Promise<Introduction> {
    // None while it starts and does not listen yet; what is not said is only not dialled.
    const places = await readReachablePlaces(this.#options.server.address).catch(() => []);
    return { life: this.#life, addresses: places.map(({ address }) => address) };
  }

  /**
   * Looked up at each call: while wdockd starts it dials already, to ask what became of a hand-over, and such a
   * connection must not stay dumb.
   */
  #serviceFor(caller: PeerCaller): ErasedService {
    const { table } = this.#options;
    const current = (): ErasedService | undefined =>
      this.#service === undefined ? undefined : rpcService({ ...this.#service, table, caller });
    const starting: ErasedMethod = { outlivesCaller: false, invoke: notYet };
    return {
      find: (name) => {
        const service = current();
        return service === undefined ? starting : service.find(name);
      },
      get running() {
        return current()?.running;
      },
      get onDefect() {
        return current()?.onDefect;
      },
    };
  }

  #keptOf(deviceId: DeviceId): KeptCalls {
    const kept = this.#kept.get(deviceId) ?? new KeptCalls();
    this.#kept.set(deviceId, kept);
    return kept;
  }

  #adopt(
    device: TrustedDevice,
    socket: WebSocket,
    said: Partial<Introduction>,
    remoteAddress = '',
  ): RpcConnection<T> {
    const { table, heartbeat, trust } = this.#options;
    if (said.addresses !== undefined) trust.hints.say(device.id, said.addresses);
    const caller = { deviceId: device.id, name: device.name };
    const connection = new RpcConnection<T>(socket, {
      call: table,
      serve: this.#serviceFor(caller),
      kept: this.#keptOf(device.id),
      peerLife: said.life,
      gone: (why) => new DockError('peer-gone', `the connection to "${device.name}" is lost: ${why}`),
      remoteError: (error) => seenFromHere(device, error),
      ...(heartbeat === undefined ? {} : { heartbeat }),
      measured: () => this.listenerCount('beat') > 0,
      onBeat: (beat) => {
        if (this.#current(device.id) === connection) this.emit('beat', device, { ...beat, remoteAddress });
      },
    });
    const open = this.#open.get(device.id) ?? [];
    const wasConnected = this.isConnected(device.id);
    open.push(connection);
    this.#open.set(device.id, open);
    if (open.length > maxPerDevice) void open[0]?.close('a newer connection took its place');
    void connection.closed.then((why) => {
      open.splice(open.indexOf(connection), 1);
      if (!this.isConnected(device.id) && !this.#stopping.signal.aborted)
        this.emit('unreachable', device, why);
    });
    if (!wasConnected) this.emit('reachable', device);
    return connection;
  }
}

/** What a device is told while this one still finds out what it has; whoever has to know asks again. */
async function notYet(): Promise<never> {
  throw new DockError('conflict', 'wdockd is starting on that device; try again in a moment');
}

/** "Gone" and "untrusted" mean the other end of *this* connection; what the device says of a third is a refusal. */
function seenFromHere(device: TrustedDevice, error: DockError): DockError {
  if (error.kind !== 'peer-gone' && error.kind !== 'untrusted') return error;
  return new DockError('peer-refused', `"${device.name}" says: ${error.message}`, {
    detail: { ...error.detail, kind: error.kind },
  });
}

async function openWebSocket(
  socket: TLSSocket,
  device: TrustedDevice,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<{ readonly webSocket: WebSocket; readonly said: Partial<Introduction> }> {
  const webSocket = new WebSocket(`ws://wdockd${path}`, {
    createConnection: () => socket, // TLS is in it already
    headers,
    perMessageDeflate: false,
    maxPayload: maxRpcMessageBytes,
    handshakeTimeout: 5_000,
  });
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  let answered: IncomingHttpHeaders = {};
  webSocket.once('upgrade', (response) => {
    answered = response.headers;
  });
  webSocket.once('open', () => resolve(webSocket));
  webSocket.once('unexpected-response', (_request, response) => {
    const status = response.statusCode;
    reject(new DockError('protocol', `"${device.name}" answers with HTTP status ${status}; is it a wdockd?`));
  });
  webSocket.on('error', (error) =>
    reject(
      new DockError('peer-gone', `"${device.name}" closed the connection: ${error.message}`, {
        cause: error,
      }),
    ),
  );
  try {
    return { webSocket: await untilAborted(promise, signal), said: readIntroduction(answered) };
  } catch (error) {
    webSocket.terminate();
    throw error;
  }
}
