import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { DockError } from '../../../protocol/dock-error.ts';
import type { Service } from '../../daemon/lifecycle.ts';
import type { HostNetwork } from './host-network.ts';
import { watchKernelNetwork } from './kernel-news.ts';

/** After ip(8) has ended, ms: it does when the kernel has more news than it can take. */
const againAfterMs = 5_000;

/** Sees interfaces come up, and has this host answer there for its guests as before. */
export class AnswerService implements Service {
  readonly name = 'answers';
  readonly stage = 'run';
  readonly #network: Pick<HostNetwork, 'renewAnswers'>;
  readonly #log: Logger;
  readonly #stopped = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #renewing: Promise<void> = Promise.resolve();

  constructor(network: Pick<HostNetwork, 'renewAnswers'>, log: Logger) {
    this.#network = network;
    this.#log = log;
  }

  async start(): Promise<void> {
    this.#watching = this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new DockError('cancelled', 'wdockd is stopping'));
    await Promise.all([this.#watching, this.#renewing]);
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await watchKernelNetwork(['link', 'address'], () => this.#renew(), signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn({ err: error }, 'changes of the network interfaces were not seen for a moment');
        await delay(againAfterMs, undefined, { signal }).catch(() => undefined);
        this.#renew();
      }
    }
  }

  #renew(): void {
    this.#renewing = this.#renewing.then(async () => {
      try {
        const taps = await this.#network.renewAnswers(this.#stopped.signal);
        if (taps.length > 0) this.#log.info({ taps }, 'answers for guests on the LAN again');
      } catch (error) {
        if (this.#stopped.signal.aborted) return;
        // An interface that goes away again in the middle says so, too, when it is there again.
        this.#log.warn({ err: error }, 'could not answer for guests on the LAN again');
      }
    });
  }
}
