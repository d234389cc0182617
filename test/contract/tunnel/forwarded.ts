import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import {
  forwardUnixListener,
  serveChannelToUnixSocket,
} from '../../../host-plugins/tunnel/forward-unix-listener.ts';
import type { DockError } from '../../../protocol/dock-error.ts';
import { pairedDevices, type TestDevice } from '../pairing/two-devices.ts';

/** Longer than any of it takes on a machine that may be busy. */
export const soon = () => AbortSignal.timeout(20_000);

/** A local program that listens on a unix socket, such as qemu-storage-daemon. */
async function localServer(device: TestDevice, onConnection: (socket: Socket) => void) {
  const path = join(device.folder, 'local.sock');
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** As a local program sees that a channel is gone: the end of what it reads, or an error. */
export const closed = (stream: Duplex) =>
  new Promise<void>((resolve) => {
    stream.once('end', () => resolve()).once('close', () => resolve());
  });

/** mid's local program reaches a program on pc through `forward.sock`. */
export async function forwarded(onConnection: (socket: Socket) => void) {
  const stack = new AsyncDisposableStack();
  const devices = stack.use(await pairedDevices());
  const local = stack.use(await localServer(devices.pc, onConnection));
  stack.use(serveChannelToUnixSocket(devices.pc.channels, 'disk/*', () => local.path));
  const errors: DockError[] = [];
  const path = join(devices.mid.folder, 'forward.sock');
  const listener = stack.use(
    await forwardUnixListener(devices.mid.channels, path, devices.pc.identity.id, 'disk/work', {
      onError: (error) => errors.push(error),
    }),
  );
  const open = async (): Promise<Socket> => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  return { ...devices, local, listener, errors, open, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
