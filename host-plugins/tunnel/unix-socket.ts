import { chmod, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { DockError } from '../../protocol/dock-error.ts';

/** sun_path of unix(7) holds 108 bytes, the last of which is NUL. */
const maxPathBytes = 107;

/** Throws `config-invalid` for a path that the kernel cannot take. */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxPathBytes) return;
  throw new DockError(
    'config-invalid',
    `the socket path ${path} has ${bytes} bytes, and the kernel takes ${maxPathBytes}; choose a shorter runtimeFolder`,
  );
}

/** Throws `not-found` when there is no such socket, `conflict` when nobody listens on it, `io` else. */
export async function connectUnixSocket(path: string, signal: AbortSignal): Promise<Socket> {
  checkSocketPath(path);
  if (signal.aborted) throw DockError.from(signal.reason, 'cancelled');
  const socket = connect({ path, allowHalfOpen: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = () => reject(DockError.from(signal.reason, 'cancelled'));
  signal.addEventListener('abort', onAbort, { once: true });
  socket.once('connect', resolve).once('error', reject);
  try {
    await promise;
    return socket;
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    if (error instanceof DockError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new DockError('not-found', `there is no socket ${path}`, { cause: error });
    if (code === 'ECONNREFUSED') {
      throw new DockError('conflict', `nobody listens on ${path}: what made it has died`, { cause: error });
    }
    throw new DockError('io', `cannot connect to ${path}: ${message}`, { cause: error });
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.off('error', reject);
  }
}

/**
 * Listens on a unix socket, in place of whatever has that name: the caller knows that nobody else uses it.
 * Connections arrive paused and may be half-open.
 */
export async function listenOnUnixSocket(
  path: string,
  mode: number,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  checkSocketPath(path);
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, onConnection);
  await bindUnixSocket(server, path, mode);
  return server;
}

/**
 * The same for a server that is there already, such as an HTTP server. Until the mode is set, the folder keeps
 * others out: these sockets live in folders that only their owner (and group) may enter. (A umask would be the
 * process's, and spoil files that other code makes at that moment.)
 */
export async function bindUnixSocket(server: Server, path: string, mode: number): Promise<void> {
  checkSocketPath(path);
  await rm(path, { force: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ path }, resolve);
  try {
    await promise;
    await chmod(path, mode);
  } catch (error) {
    throw new DockError('io', `cannot listen on ${path}: ${(error as Error).message}`, { cause: error });
  } finally {
    server.off('error', reject);
  }
}
