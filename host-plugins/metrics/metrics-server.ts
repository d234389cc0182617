import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { DockError } from '../../protocol/dock-error.ts';
import type { Service } from '../daemon/lifecycle.ts';
import type { WatchHub } from '../daemon/watch-hub.ts';
import type { LoopbackAddress } from './loopback-address.ts';
import { metricsContentType, renderMetrics } from './metric-text.ts';
import { type PresentState, stateMetrics } from './state-metrics.ts';
import { TripMetrics } from './trip-metrics.ts';

export interface MetricsParts {
  /** Undefined: none are offered. */
  readonly listen: LoopbackAddress | undefined;
  readonly hub: WatchHub;
  readonly present: () => Promise<PresentState>;
  readonly report: MetricsReport;
  readonly log: Logger;
}

/** What the service found, for `wdock doctor`. */
export interface MetricsReport {
  /** Why they cannot be read. */
  problem?: string;
}

/** `GET /metrics` for Prometheus. wdockd runs on where it cannot listen there: log and `wdock doctor` say so. */
export class MetricsServer implements Service {
  readonly name = 'metrics';
  readonly stage = 'listen';
  readonly #parts: MetricsParts;
  readonly #trips = new TripMetrics();
  readonly #stopping = new AbortController();
  readonly #http: Server;

  constructor(parts: MetricsParts) {
    this.#parts = parts;
    this.#http = createServer({ maxHeaderSize: 8 * 1024 }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        parts.log.error({ err: DockError.from(error) }, 'a defect: metrics could not be read');
        response.writeHead(500).end();
      });
    });
    this.#http.on('clientError', (_error, socket) => socket.destroy());
  }

  /** Where it listens, once started. */
  get address(): AddressInfo | undefined {
    return (this.#http.address() as AddressInfo | null) ?? undefined;
  }

  async start(): Promise<void> {
    const { listen, hub, log } = this.#parts;
    if (listen === undefined) return;
    void hub.watch((event) => {
      if (event.kind === 'trip') this.#trips.hear(event.workspace, event.event);
    }, this.#stopping.signal);
    try {
      this.#http.listen(listen.port, listen.host);
      await once(this.#http, 'listening');
      log.info({ address: listen.host, port: this.address?.port }, 'metrics are offered');
    } catch (error) {
      const why = `cannot listen at ${listen.host} port ${listen.port}: ${(error as Error).message}`;
      this.#parts.report.problem = why;
      log.warn({ why }, 'no metrics are offered');
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (!this.#http.listening) return;
    const closed = once(this.#http, 'close');
    this.#http.close();
    this.#http.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A page in a browser here that has made its own name lead to the loopback is no reader of ours.
    if (!/^(127(\.\d+){3}|\[::1\]|localhost)(:\d+)?$/i.test(request.headers.host ?? '')) {
      response.writeHead(403).end();
    } else if (request.url !== '/metrics') response.writeHead(404).end();
    else if (request.method !== 'GET') response.writeHead(405, { Allow: 'GET' }).end();
    else {
      const families = [...stateMetrics(await this.#parts.present()), ...this.#trips.families()];
      response.writeHead(200, { 'Content-Type': metricsContentType }).end(renderMetrics(families));
    }
  }
}
