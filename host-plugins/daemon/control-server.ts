import { chown, mkdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { WebSocketServer } from 'ws';
import { controlMethods } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { maxRpcMessageBytes, RpcConnection } from '../rpc/rpc-connection.ts';
import { mergeHandlers, type RunningCall, rpcService } from '../rpc/rpc-server.ts';
import { bindUnixSocket } from '../tunnel/unix-socket.ts';
import { type DeviceMark, localHeartbeat, markHeaders } from './control-protocol.ts';
import { type ControlHandlers, controlOutlivesCaller, endRunningCalls } from './handlers.ts';
import { InstanceLock } from './instance-lock.ts';
import type { Service } from './lifecycle.ts';
import type { Renewal } from './renewal.ts';
import { version } from './version.ts';

/** Members may use wdock without being root. */
const group = 'wireless-dock';

/** JSON-RPC for wdock over a unix socket (`/rpc`), and `GET /healthz` for everybody who may open it. */
export class ControlServer implements Service {
  readonly name = 'control-server';
  readonly stage = 'listen';
  readonly #path: string;
  readonly #log: Logger;
  readonly #handlers: ControlHandlers;
  readonly #http: Server;
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxRpcMessageBytes,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #connections = new Set<RpcConnection<Record<string, never>>>();
  readonly #running = new Set<RunningCall>();
  #lock: InstanceLock | undefined;

  constructor(
    path: string,
    device: DeviceMark,
    handlers: readonly ControlHandlers[],
    log: Logger,
    renewal: Renewal,
  ) {
    // Who only watches comes back.
    renewal.waitFor(() =>
      [...this.#running].flatMap(({ method, done }) => (method === 'watch' ? [] : [done])),
    );
    this.#path = path;
    this.#log = log;
    this.#handlers = mergeHandlers(handlers);
    this.#http = createServer({ maxHeaderSize: 8 * 1024 });
    this.#http.on('request', (request, response) => {
      const healthy = request.method === 'GET' && request.url === '/healthz';
      response.writeHead(healthy ? 200 : 404, { 'Content-Type': 'application/json' });
      const uptimeMs = Math.round(process.uptime() * 1000);
      response.end(
        healthy ? `${JSON.stringify({ status: 'ok', version, pid: process.pid, uptimeMs })}\n` : '',
      );
    });
    this.#webSockets.on('headers', (headers) => {
      headers.push(`${markHeaders.name}: ${device.name}`, `${markHeaders.simulated}: ${device.simulated}`);
    });
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#http.on('clientError', (_error, socket) => socket.destroy());
  }

  /** Throws `conflict` when another wdockd serves this socket; a socket that nobody serves is replaced. */
  async start(): Promise<void> {
    const folder = dirname(this.#path);
    await mkdir(folder, { recursive: true, mode: 0o750 });
    this.#lock = InstanceLock.acquire(`${this.#path}.lock`, `the socket ${this.#path}`);
    await bindUnixSocket(this.#http, this.#path, 0o660);
    const gid = groupId(await readFile('/etc/group', 'utf8').catch(() => ''), group);
    if (gid !== undefined && process.getuid?.() === 0) {
      await chown(folder, -1, gid);
      await chown(this.#path, -1, gid);
    }
  }

  /** Ends what runs for wdock (a dock is undone, up to its hand-over), tells it so, and hangs up. */
  async stop(signal: AbortSignal): Promise<void> {
    try {
      await endRunningCalls(this.#running, signal);
    } finally {
      const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
      await Promise.all([...this.#connections].map((connection) => connection.close('wdockd is stopping')));
      this.#http.closeAllConnections();
      await closed;
      this.#lock?.[Symbol.dispose]();
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (request.url !== '/rpc') {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new RpcConnection(webSocket, {
        call: {},
        serve: rpcService({
          table: controlMethods,
          handlers: this.#handlers,
          caller: 'wdock',
          outlivesCaller: controlOutlivesCaller,
          running: this.#running,
          onDefect: (method, error) =>
            this.#log.error({ err: error, method }, 'a defect in a control method'),
        }),
        gone: (why) => new DockError('peer-gone', `wdock is gone: ${why}`),
        heartbeat: localHeartbeat,
      });
      this.#connections.add(connection);
      void connection.closed.then((why) => {
        this.#connections.delete(connection);
        this.#log.debug({ why: why.message }, 'wdock left');
      });
    });
  }
}

/** The number of a group in the text of /etc/group (group(5)). */
export function groupId(groupFile: string, name: string): number | undefined {
  for (const line of groupFile.split('\n')) {
    const [entry, , gid] = line.split(':');
    if (entry === name && gid !== undefined && /^\d+$/.test(gid)) return Number(gid);
  }
  return undefined;
}
