import type { Shortfall } from '../../protocol/outcome.ts';
import type { PlanStep } from '../../protocol/plan.ts';
import type { HostReadiness } from '../workspace/workspace.ts';
import { type AdaptOptions, planAdapting } from './adapt-here.ts';
import { runAdaptingSteps } from './run-steps.ts';

type Early = 'on-arrival' | 'before-run' | 'on-run';

/**
 * What a VM needs of this host before it runs here, in three moments: `lay` while it still runs elsewhere, `show`
 * when its state is here and it stands still, `announce` as it is let run. Each millisecond between its stop over there
 * and the announcement is one of silence on the LAN, so whatever can be done early is.
 */
export class Readiness implements HostReadiness {
  readonly epoch: number;
  readonly steps: readonly PlanStep[];
  readonly #options: AdaptOptions;
  readonly #refused: readonly Shortfall[];
  readonly #signal: AbortSignal;
  readonly #begun = new Map<Early, Promise<Shortfall[]>>();

  private constructor(
    options: AdaptOptions,
    steps: readonly PlanStep[],
    refused: readonly Shortfall[],
    signal: AbortSignal,
  ) {
    this.epoch = options.epoch;
    this.steps = steps;
    this.#options = options;
    this.#refused = refused;
    this.#signal = signal;
  }

  /** Plans and lays. `signal` ends all that is done here, later too. Throws when it is aborted or QEMU cannot be asked. */
  static async lay(options: AdaptOptions, signal: AbortSignal): Promise<Readiness> {
    const refused: Shortfall[] = [];
    const steps = await planAdapting(options, refused, signal);
    const readiness = new Readiness(options, steps, refused, signal);
    await readiness.#once('on-arrival');
    return readiness;
  }

  async show(): Promise<void> {
    await this.#once('before-run');
  }

  announce(): void {
    this.#once('on-run').catch(() => undefined); // whoever reads the shortfalls sees it
  }

  async shortfalls(): Promise<Shortfall[]> {
    return [...this.#refused, ...(await Promise.all(this.#begun.values())).flat()];
  }

  #once(when: Early): Promise<Shortfall[]> {
    const begun = this.#begun.get(when);
    if (begun !== undefined) return begun;
    const { plugins, machine } = this.#options;
    const work = runAdaptingSteps({ plugins, machine, say: () => {} }, this.steps, when, this.#signal);
    this.#begun.set(when, work);
    return work;
  }
}
