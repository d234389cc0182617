import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { controlMethods } from '../../protocol/control-methods.ts';
import { DockError } from '../../protocol/dock-error.ts';
import { type DeviceMark, localHeartbeat, markHeaders } from '../daemon/control-protocol.ts';
import { maxRpcMessageBytes, RpcConnection } from '../rpc/rpc-connection.ts';
import { daemonGoneDetail } from './exit-code.ts';

export type DaemonClient = RpcConnection<typeof controlMethods>;

export interface ConnectedDaemon {
  readonly client: DaemonClient;
  /** The device that wdockd serves; `simulated` when it only plays it. */
  readonly device: DeviceMark;
}

const connectLimitMs = 5_000;

/** A connection to this device's wdockd. Throws `peer-gone` (see `isDaemonGone`) with how to start it. */
export async function connectDaemon(socketPath: string, signal: AbortSignal): Promise<ConnectedDaemon> {
  if (signal.aborted) throw DockError.from(signal.reason, 'cancelled');
  const socket = new WebSocket('ws://wdockd/rpc', {
    createConnection: () => connect({ path: socketPath }),
    handshakeTimeout: connectLimitMs,
    maxPayload: maxRpcMessageBytes,
    perMessageDeflate: false,
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = () => reject(DockError.from(signal.reason, 'cancelled'));
  signal.addEventListener('abort', onAbort, { once: true });
  let device: DeviceMark = { name: 'this device', simulated: false };
  socket.once('upgrade', ({ headers }) => {
    device = {
      name: String(headers[markHeaders.name] ?? device.name),
      simulated: headers[markHeaders.simulated] === 'true',
    };
  });
  socket.once('open', resolve);
  socket.on('error', reject);
  try {
    await promise;
  } catch (error) {
    socket.terminate();
    throw error instanceof DockError ? error : unreachable(socketPath, error as NodeJS.ErrnoException);
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.off('error', reject);
  }
  const client = new RpcConnection(socket, { call: controlMethods, gone, heartbeat: localHeartbeat });
  return { client, device };
}

function gone(why: string): DockError {
  return new DockError(
    'peer-gone',
    `wdockd went away while it was asked (${why}); what it was doing is finished or undone when it starts again: see \`wdock status\` then`,
    { detail: daemonGoneDetail },
  );
}

function unreachable(path: string, error: NodeJS.ErrnoException): DockError {
  if (error.code === 'EACCES') {
    return new DockError(
      'peer-gone',
      `you may not talk to wdockd (${path}); become root, or a member of the group wireless-dock`,
      {
        cause: error,
        detail: daemonGoneDetail,
      },
    );
  }
  const silent = error.code === 'ENOENT' || error.code === 'ECONNREFUSED';
  const why = silent ? 'does not run' : `does not answer: ${error.message}`;
  return new DockError(
    'peer-gone',
    `wdockd ${why} (${path}); start it with \`systemctl start wdockd\`, or \`wdockd --config FILE\` and give wdock the same --config; \`wdock logs\` says why it could not, or that it is still starting`,
    { cause: error, detail: daemonGoneDetail },
  );
}
