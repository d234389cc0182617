import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import type { SecureServer } from '../pairing/secure-server.ts';
import { mergeHandlers, type RunningCall } from '../rpc/rpc-server.ts';
import type { Channels } from '../tunnel/channels.ts';
import type { DaemonConfig } from './config.ts';
import { endRunningCalls, type PeerHandlers, type Peers, peerOutlivesCaller } from './handlers.ts';
import type { Service } from './lifecycle.ts';
import type { Renewal } from './renewal.ts';

/** The door for other devices: calls and channels, from those that are trusted. */
export class PeerServer implements Service {
  readonly name = 'peer-server';
  readonly stage = 'listen';
  readonly #config: DaemonConfig;
  readonly #server: SecureServer;
  readonly #peers: Peers;
  readonly #channels: Channels;
  readonly #handlers: readonly PeerHandlers[];
  readonly #log: Logger;
  readonly #running = new Set<RunningCall>();
  #address: AddressInfo | undefined;

  constructor(parts: {
    config: DaemonConfig;
    server: SecureServer;
    peers: Peers;
    channels: Channels;
    handlers: readonly PeerHandlers[];
    log: Logger;
    renewal: Renewal;
  }) {
    this.#config = parts.config;
    this.#server = parts.server;
    this.#peers = parts.peers;
    this.#channels = parts.channels;
    this.#handlers = parts.handlers;
    this.#log = parts.log;
    parts.renewal.waitFor(() => [...this.#running].map(({ done }) => done));
  }

  /** Where it listens, once started. */
  get address(): AddressInfo | undefined {
    return this.#address;
  }

  async start(): Promise<void> {
    this.#peers.serve({
      handlers: mergeHandlers(this.#handlers),
      outlivesCaller: peerOutlivesCaller,
      running: this.#running,
      onDefect: (method, error) => this.#log.error({ err: error, method }, 'a defect in a peer method'),
    });
    this.#logReachability();
    const { address, port } = this.#config.listen;
    this.#address = await this.#server.listen(address, port);
    this.#log.info({ address: this.#address.address, port: this.#address.port }, 'listening for devices');
  }

  /** Changes only: while a connection is held, a device that is away is tried every few seconds. */
  #logReachability(): void {
    const away = new Map<string, boolean>();
    this.#peers.on('reachable', (device) => {
      away.set(device.id, false);
      this.#log.info({ peer: device.name }, 'connected');
    });
    this.#peers.on('unreachable', (device, why) => {
      const level = away.get(device.id) === true ? 'debug' : 'info';
      away.set(device.id, true);
      this.#log[level]({ peer: device.name, why: why.message }, 'not connected');
    });
  }

  async stop(signal: AbortSignal): Promise<void> {
    try {
      await endRunningCalls(this.#running, signal);
    } finally {
      await this.#peers.close();
      this.#channels.close();
      await this.#server.close();
    }
  }
}
