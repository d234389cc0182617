import type { Logger } from 'pino';
import { DockError } from '../../../protocol/dock-error.ts';
import type { Service } from '../../daemon/lifecycle.ts';
import type { HostBridges } from './host-bridges.ts';

/** How often it is looked whether a bridge is still needed, ms; while there is none of ours, that is one look into a folder. */
const sweepEveryMs = 60_000;

/** Puts back what a killed wdockd left half done, before anything else is begun, and takes idle bridges down. */
export class BridgeService implements Service {
  readonly name = 'bridges';
  readonly stage = 'prepare';
  readonly #bridges: HostBridges;
  readonly #log: Logger;
  readonly #stopped = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> = Promise.resolve();

  constructor(bridges: HostBridges, log: Logger) {
    this.#bridges = bridges;
    this.#log = log;
  }

  /** Never throws but for an abort: a device without its bridge serves its workspaces all the same. */
  async start(signal: AbortSignal): Promise<void> {
    try {
      await this.#bridges.recover(signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#log.error({ err: error }, 'a network interface could not be put back');
    }
    this.#timer = setInterval(() => {
      this.#sweeping = this.#sweep();
    }, sweepEveryMs);
    this.#timer.unref();
  }

  /** A change that is under way is ended first, and what it changed is put back. Bridges stay. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopped.abort(new DockError('cancelled', 'wdockd is stopping'));
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    try {
      await this.#bridges.sweep(this.#stopped.signal);
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#log.warn({ err: error }, 'a bridge could not be taken down');
    }
  }
}
