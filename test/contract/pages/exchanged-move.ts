import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ArrivingPages } from '../../../host-plugins/pages/arriving-pages.ts';
import { DepartingPages } from '../../../host-plugins/pages/departing-pages.ts';
import type { ReceivingSource, SendingSource } from '../../../host-plugins/pages/page-source.ts';
import { splice } from '../../../host-plugins/tunnel/splice.ts';

/**
 * A unix socket whose one connection goes through both ends of the exchange, with a connection between them that can
 * be cut, to another unix socket.
 */
export class ExchangedWay implements AsyncDisposable {
  readonly path: string;
  readonly departing: DepartingPages;
  readonly arriving: ArrivingPages;
  /** What either end failed with. */
  readonly failures: unknown[] = [];
  /** Bytes that went between the ends. */
  carried = 0;
  readonly #stop = new AbortController();
  readonly #cleanup = new AsyncDisposableStack();
  readonly #between = new Set<Duplex>();
  #onCarried: () => void = () => undefined;

  private constructor(path: string, sources: readonly (SendingSource & ReceivingSource)[]) {
    this.path = path;
    this.departing = this.#cleanup.use(new DepartingPages(sources));
    this.arriving = this.#cleanup.use(new ArrivingPages(sources));
  }

  static async create(
    path: string,
    to: string,
    sources: readonly (SendingSource & ReceivingSource)[] = [],
  ): Promise<ExchangedWay> {
    const way = new ExchangedWay(path, sources);
    const far = createServer({ allowHalfOpen: true }, (socket) => way.#arrive(socket, to));
    const near = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      const channel = connect({ path: `${path}.far`, allowHalfOpen: true });
      way.#between.add(channel);
      way.departing
        .join(socket, channel, way.#stop.signal)
        .catch((error: unknown) => way.failures.push(error));
    });
    for (const [server, at] of [
      [far, `${path}.far`],
      [near, path],
    ] as const) {
      server.listen(at);
      await once(server, 'listening');
      way.#cleanup.defer(() => void server.close());
    }
    return way;
  }

  /** Resolves when so many bytes have gone from end to end. */
  async until(bytes: number): Promise<void> {
    while (this.carried < bytes) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onCarried = resolve;
      await promise;
    }
  }

  cut(): void {
    for (const socket of this.#between) socket.destroy();
  }

  /** Carries nothing more, and does not close. */
  hang(): void {
    for (const socket of this.#between) socket.pause().removeAllListeners('data');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.cut();
    await this.#cleanup.disposeAsync();
  }

  #arrive(channel: Socket, to: string): void {
    this.#between.add(channel);
    channel.on('error', () => undefined);
    const qemu = connect({ path: to, allowHalfOpen: true });
    const local = this.arriving.join(qemu, (error) => this.failures.push(error), this.#stop.signal);
    channel.on('data', (data) => {
      this.carried += data.length;
      this.#onCarried();
    });
    splice(channel, local, this.#stop.signal).catch(() => undefined);
  }
}
