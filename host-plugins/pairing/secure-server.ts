import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTlsServer, type Server, type TLSSocket } from 'node:tls';
import { DockError } from '../../protocol/dock-error.ts';
import { pairingProtocol } from '../../protocol/pairing-messages.ts';
import { type DeviceId, deviceIdOf } from './fingerprint.ts';
import type { Identity } from './identity.ts';
import type { TrustedDevice, TrustStore } from './trust-store.ts';

/** A trusted device asks to turn its connection into something else (HTTP Upgrade). */
export interface DeviceUpgrade {
  readonly device: TrustedDevice;
  readonly request: IncomingMessage;
  readonly socket: TLSSocket;
  /** What came after the request; belongs to the new protocol. */
  readonly head: Buffer;
}

/** What answers strangers while a pairing is open. */
export interface PairingDoor {
  /** False: the handshake ends with an alert, before this device has signed anything. */
  readonly admits: () => boolean;
  /** The handshake is over; who it is, and whether it knows the code, is to be found out. It owns the socket. */
  readonly accept: (socket: TLSSocket) => void;
}

export interface SecureServerOptions {
  /** Told of connections that were turned away, for the log. */
  readonly onRefused?: (remoteAddress: string, why: string) => void;
}

/** All connections, of whomever; more are closed as they come. */
const maxConnections = 256;
/** Connections of one address that have not proved who they are: a stranger must not use up all of them. */
const maxUnproved = 32;
const handshakeTimeoutMs = 5_000;

/**
 * The one port that a device listens on: TLS 1.3, both ends show their certificates, and only those in the trust
 * store get to speak. For everybody else the connection is closed (the alert `close_notify`) after the handshake,
 * whatever was sent, and nothing of it is read; who asks for pairing (by ALPN) while none is open gets the alert
 * `no_application_protocol` instead of a handshake. Behind it only HTTP upgrades are answered.
 */
export class SecureServer {
  readonly #server: Server;
  readonly #http = createHttpServer({ maxHeaderSize: 8 * 1024 });
  readonly #trust: TrustStore;
  readonly #onRefused: (remoteAddress: string, why: string) => void;
  readonly #upgrades = new Map<string, (upgrade: DeviceUpgrade) => void>();
  readonly #sockets = new Map<TLSSocket, DeviceId>();
  /** Below TLS: also those whose handshake is not over. */
  readonly #raw = new Set<Socket>();
  #pairing: PairingDoor | undefined;
  /** The ports of each address whose connections have not proved who they are. */
  readonly #unproved = new Map<string, Set<number>>();

  constructor(identity: Identity, trust: TrustStore, options: SecureServerOptions = {}) {
    this.#trust = trust;
    this.#onRefused = options.onRefused ?? (() => undefined);
    this.#server = createTlsServer(
      {
        key: identity.privateKeyPem,
        cert: identity.certificatePem,
        minVersion: 'TLSv1.3',
        requestCert: true,
        rejectUnauthorized: false, // pinned instead: `#admit` compares the fingerprint
        allowHalfOpen: true,
        handshakeTimeout: handshakeTimeoutMs,
        // not asked for a client that offers no protocol, as trusted devices do
        ALPNCallback: ({ protocols }) =>
          protocols.includes(pairingProtocol) && this.#pairing?.admits() === true
            ? pairingProtocol
            : undefined,
      },
      (socket) => this.#admit(socket),
    );
    this.#server.maxConnections = maxConnections;
    this.#server.on('connection', (socket: Socket) => {
      this.#raw.add(socket);
      socket.once('close', () => this.#raw.delete(socket));
      this.#limitUnproved(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => {
      this.#onRefused(String(socket.remoteAddress), `the TLS handshake failed: ${error.message}`);
      socket.destroy(); // Node only tells of a handshake that took too long, also when the other end has left
    });
    this.#http.on('request', (_request, response) => {
      response.writeHead(426, { Connection: 'close' }).end();
    });
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as TLSSocket, head));
    this.#http.on('clientError', (_error, socket) => socket.destroy());
    trust.on('forgotten', (device) => this.closeDevice(device.id));
  }

  /** `protocol`: the value of the Upgrade header. The handler owns the socket from then on. */
  onUpgrade(protocol: string, handler: (upgrade: DeviceUpgrade) => void): void {
    this.#upgrades.set(protocol, handler);
  }

  /** Answers strangers that ask for pairing until disposed. Throws `conflict` when a pairing is open already. */
  openPairing(door: PairingDoor): Disposable {
    if (this.#pairing !== undefined) {
      throw new DockError('conflict', 'a pairing is open already; end that `wdock pair` with Ctrl-C first');
    }
    this.#pairing = door;
    return {
      [Symbol.dispose]: () => {
        this.#pairing = undefined;
      },
    };
  }

  /** What it listens on; undefined before `listen`. */
  get address(): AddressInfo | undefined {
    return (this.#server.address() as AddressInfo | null) ?? undefined;
  }

  /** Returns what it listens on (no address: all; port 0: a free one). Throws `conflict` when the port is taken, `io` else. */
  async listen(address: string | undefined, port: number): Promise<AddressInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(address === undefined ? { port } : { host: address, port }, resolve);
    try {
      await promise;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE') {
        throw new DockError(
          'conflict',
          `port ${port} of ${address ?? 'this device'} is taken; is another wdockd running? \`listen.port\` in wdockd.yaml chooses another`,
          { cause: error },
        );
      }
      throw new DockError('io', `cannot listen on ${address ?? 'any address'}, port ${port}: ${message}`, {
        cause: error,
      });
    } finally {
      this.#server.off('error', reject);
    }
    return this.#server.address() as AddressInfo;
  }

  /** Drops every connection that the device made. */
  closeDevice(id: DeviceId): void {
    for (const [socket, owner] of this.#sockets) if (owner === id) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of [...this.#sockets.keys(), ...this.#raw]) socket.destroy();
    await closed;
  }

  #limitUnproved(socket: Socket): void {
    const { remoteAddress: address = '', remotePort: port = 0 } = socket;
    const ports = this.#unproved.get(address) ?? new Set();
    this.#unproved.set(address, ports.add(port));
    socket.once('close', () => this.#proved(address, port));
    if (ports.size <= maxUnproved) return;
    this.#onRefused(address, `more than ${maxUnproved} connections at once that did not prove who they are`);
    socket.destroy();
  }

  #proved(address: string, port: number): void {
    const ports = this.#unproved.get(address);
    ports?.delete(port);
    if (ports?.size === 0) this.#unproved.delete(address);
  }

  #admit(socket: TLSSocket): void {
    socket.on('error', () => undefined); // its 'close' follows and is what counts
    if (socket.alpnProtocol === pairingProtocol) {
      if (this.#pairing === undefined) socket.destroy();
      else this.#pairing.accept(socket);
      return;
    }
    const certificate = socket.getPeerX509Certificate();
    const id = certificate === undefined ? undefined : deviceIdOf(certificate);
    if (id === undefined || this.#trust.byId(id) === undefined) {
      this.#turnAway(
        socket,
        id === undefined ? 'it showed no certificate' : `its certificate ${id} is unknown`,
      );
      return;
    }
    socket.setNoDelay(true);
    this.#proved(socket.remoteAddress ?? '', socket.remotePort ?? 0);
    this.#sockets.set(socket, id);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#http.emit('connection', socket);
  }

  #turnAway(socket: TLSSocket, why: string): void {
    this.#onRefused(String(socket.remoteAddress), why);
    socket.end(); // close_notify: Node has no way to send another alert once the handshake is over
    // Closing with unread bytes would send a reset that overtakes the alert, so what comes is thrown away, a while.
    socket.resume();
    const patience = setTimeout(() => socket.destroy(), 1_000);
    socket.once('close', () => clearTimeout(patience));
  }

  #upgrade(request: IncomingMessage, socket: TLSSocket, head: Buffer): void {
    const id = this.#sockets.get(socket);
    const device = id === undefined ? undefined : this.#trust.byId(id);
    const handler = this.#upgrades.get(String(request.headers.upgrade).toLowerCase());
    if (device === undefined) {
      this.#turnAway(socket, 'it was forgotten meanwhile');
      return;
    }
    if (handler === undefined) {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () =>
        socket.destroy(),
      );
      return;
    }
    handler({ device, request, socket, head });
  }
}
