import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { DockError } from '../../protocol/dock-error.ts';
import type { DeviceId } from '../pairing/fingerprint.ts';
import type { Channel, ChannelPriority, ChannelRequest, Channels } from './channels.ts';
import { splice } from './splice.ts';
import { connectUnixSocket, listenOnUnixSocket } from './unix-socket.ts';

export interface ForwardedListener extends AsyncDisposable {
  readonly path: string;
  /** Connections that are joined to a channel now. */
  readonly connections: number;
  /** From now on what its connections send goes before all bulk. */
  raise(): void;
}

export interface ForwardOptions {
  /** Told why a connection could not be joined, or how it broke; the local program only sees it close. */
  readonly onError?: (error: DockError) => void;
  /** Of the socket. Default: 0600. */
  readonly mode?: number;
  /** Of its channels. Default: urgent. */
  readonly priority?: ChannelPriority;
  /** What joins a connection with its channel, until both have ended. Default: what either sends the other gets. */
  readonly join?: (local: Duplex, channel: Duplex, signal: AbortSignal) => Promise<void>;
}

/**
 * Listens on a unix socket of this device; each connection becomes a channel of that name to the other device, so
 * that a local program (QEMU) reaches a socket over there. Disposing closes the listener and all its connections.
 */
export async function forwardUnixListener(
  channels: Channels,
  path: string,
  deviceId: DeviceId,
  channelName: string,
  options: ForwardOptions = {},
): Promise<ForwardedListener> {
  const closing = new AbortController();
  const local = new Set<Socket>();
  const open = new Set<Channel>();
  let { priority = 'urgent' } = options;
  const joined = new Set<Promise<void>>();
  const join = async (socket: Socket): Promise<void> => {
    socket.on('error', () => undefined);
    local.add(socket);
    const left = new AbortController();
    const onClose = () => left.abort(new DockError('cancelled', 'the local program closed its connection'));
    socket.once('close', onClose);
    try {
      const channel = await channels.open(
        deviceId,
        channelName,
        AbortSignal.any([closing.signal, left.signal]),
        priority,
      );
      open.add(channel);
      channel.stream.once('close', () => open.delete(channel));
      socket.off('close', onClose);
      await (options.join ?? splice)(socket, channel.stream, closing.signal);
    } catch (error) {
      socket.destroy();
      if (!closing.signal.aborted && !left.signal.aborted)
        options.onError?.(DockError.from(error, 'peer-gone'));
    } finally {
      local.delete(socket);
    }
  };
  const server = await listenOnUnixSocket(path, options.mode ?? 0o600, (socket) => {
    const running = join(socket);
    joined.add(running);
    void running.finally(() => joined.delete(running));
  });
  return {
    path,
    get connections() {
      return local.size;
    },
    raise() {
      priority = 'urgent';
      for (const channel of open) channel.raise();
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new DockError('cancelled', 'the listener was closed'));
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of local) socket.destroy();
      await Promise.all([closed, ...joined]);
    },
  };
}

/**
 * The other end of `forwardUnixListener`: channels that match are joined to the local socket that `pathFor` names.
 * `pathFor` throws to refuse the device. Dispose to answer no more; channels that are open stay so.
 * @param join what the channel is joined with for a local connection; by default that itself
 */
export function serveChannelToUnixSocket(
  channels: Channels,
  pattern: string,
  pathFor: (request: ChannelRequest) => string | Promise<string>,
  join: (local: Socket) => Duplex = (local) => local,
): Disposable {
  return channels.accept(pattern, async (request, signal) => {
    return join(await connectUnixSocket(await pathFor(request), signal));
  });
}
