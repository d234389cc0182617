import type { Server, Socket } from 'node:net';
import { DockError } from '../../protocol/dock-error.ts';
import type { ImageWriter } from '../suspend/image-writer.ts';
import { listenOnUnixSocket } from '../tunnel/unix-socket.ts';

/** Where QEMU sends its state to be written. When that fails its connection is cut, so that QEMU does not wait for ever. */
export class StateSocket implements AsyncDisposable {
  readonly #server: Server;
  readonly #connected = Promise.withResolvers<Socket>();
  readonly #failed = Promise.withResolvers<never>();
  #socket: Socket | undefined;
  #error: DockError | undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.#failed.promise.catch(() => undefined); // whoever races with it sees it
    this.#connected.promise.catch(() => undefined);
  }

  static async listen(path: string): Promise<StateSocket> {
    const accepted: ((socket: Socket) => void)[] = [];
    // QEMU has a user of its own; the folder decides who reaches it (machine-folder.ts).
    const server = await listenOnUnixSocket(path, 0o666, (socket) => accepted[0]?.(socket));
    const made = new StateSocket(server);
    accepted.push((socket) => made.#accept(socket));
    return made;
  }

  /** Rejects when what came could not be written. */
  get failure(): Promise<never> {
    return this.#failed.promise;
  }

  get error(): DockError | undefined {
    return this.#error;
  }

  /** Resolves when QEMU has closed its end, and all that it sent was taken. */
  async take(writer: ImageWriter): Promise<void> {
    const socket = await this.#connected.promise;
    try {
      await writer.take(socket);
    } catch (error) {
      this.#error = DockError.from(error, 'io');
      this.#failed.reject(this.#error);
      socket.destroy();
      throw this.#error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connected.reject(new DockError('cancelled', 'nobody waits for the state any more'));
    this.#socket?.destroy();
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    await closed.promise;
  }

  #accept(socket: Socket): void {
    if (this.#socket !== undefined) {
      socket.destroy();
      return;
    }
    socket.on('error', () => undefined); // QEMU's migration says it
    this.#socket = socket;
    this.#connected.resolve(socket);
  }
}
