import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket, WebSocketServer } from 'ws';
import { maxRpcMessageBytes } from '../../../host-plugins/rpc/rpc-connection.ts';

/** The two ends of one WebSocket over a unix socket, as wdock and wdockd have them. */
export interface SocketPair extends AsyncDisposable {
  readonly server: WebSocket;
  readonly client: WebSocket;
}

export async function socketPair(): Promise<SocketPair> {
  const folder = await mkdtemp(join(tmpdir(), 'wdock-rpc-'));
  const path = join(folder, 's');
  const http: Server = createServer();
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxRpcMessageBytes });
  const accepted = new Promise<WebSocket>((resolve) => {
    http.on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, resolve));
  });
  await new Promise<void>((resolve) => http.listen(path, resolve));
  const client = new WebSocket('ws://here/', { createConnection: () => connect(path) });
  const opened = new Promise<void>((resolve) => client.once('open', () => resolve()));
  const [server] = await Promise.all([accepted, opened]);
  return {
    server,
    client,
    async [Symbol.asyncDispose]() {
      client.terminate();
      server.terminate();
      await new Promise<void>((resolve) => http.close(() => resolve()));
      await rm(folder, { recursive: true });
    },
  };
}

/** The close frame that an end gets: its code and reason. */
export function closeOf(socket: WebSocket): Promise<{ code: number; reason: string }> {
  return new Promise((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
}
