import { DockError } from '../../protocol/dock-error.ts';

/**
 * When a service starts: `prepare` loads what is on this device, `listen` opens the doors (devices, then wdock),
 * `run` goes on with what a former wdockd left behind. They stop in the reverse order.
 */
export const serviceStages = ['prepare', 'listen', 'run'] as const;
export type ServiceStage = (typeof serviceStages)[number];

/** A part of wdockd that has to be started and stopped. */
export interface Service {
  readonly name: string;
  readonly stage: ServiceStage;
  /** On return it works. What it started before it threw is undone by its own `stop`. */
  start(signal: AbortSignal): Promise<void>;
  /**
   * Ends its waits, connections and files, never a VM: QEMU and what it needs run on. Bounded by the signal; also
   * called when `start` threw.
   */
  stop(signal: AbortSignal): Promise<void>;
}

/** How long one service may take to stop, ms. */
const stopLimitMs = 10_000;

/** Starts services in order and stops the started ones in reverse; a service that fails to stop delays no other. */
export class Lifecycle {
  readonly #services: readonly Service[];
  readonly #begun: Service[] = [];
  readonly #onStopFailed: (service: string, error: DockError) => void;

  constructor(services: readonly Service[], onStopFailed: (service: string, error: DockError) => void) {
    // sort() is stable: within a stage the order of the container's bindings counts
    this.#services = [...services].sort(
      (a, b) => serviceStages.indexOf(a.stage) - serviceStages.indexOf(b.stage),
    );
    this.#onStopFailed = onStopFailed;
  }

  /** Throws what the first service that failed threw, after the others have been stopped again. */
  async start(signal: AbortSignal): Promise<void> {
    try {
      for (const service of this.#services) {
        signal.throwIfAborted();
        this.#begun.push(service);
        await service.start(signal);
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (let service = this.#begun.pop(); service !== undefined; service = this.#begun.pop()) {
      const limit = AbortSignal.timeout(stopLimitMs);
      try {
        await service.stop(limit);
      } catch (error) {
        this.#onStopFailed(service.name, DockError.from(error));
      }
    }
  }
}
