import { DockError, type DockErrorData } from '../../../protocol/dock-error.ts';
import type { TripOutcome } from '../../../protocol/outcome.ts';
import type { TripNetwork } from '../watch/trip-network.ts';
import type { NetworkResult } from './network-demo.ts';

type TripSeen = Omit<TripOutcome, 'workspace' | 'epoch' | 'simulated'> & {
  /** As the client on the LAN saw it. */
  readonly networkGapMs: number;
  readonly network?: TripNetwork;
};

/** What `--json` writes, beside what the demo was asked for. */
interface DemoResult {
  readonly trips: readonly TripSeen[];
  readonly network?: NetworkResult;
  /** What is not as it should be, in words; empty where all is. */
  readonly failures: readonly string[];
  /** Why the demo ended before its last trip. */
  readonly error?: DockErrorData;
}

/** What a demo has seen so far; also of one that ends early. */
export class DemoRecord {
  readonly #trips: TripSeen[] = [];
  readonly failures: string[] = [];
  network: NetworkResult | undefined;
  /** What is under way, to be said where it fails. */
  during = 'the start of both devices';
  #error: DockError | undefined;

  addTrip(outcome: TripOutcome, gapMs: number, network: TripNetwork | undefined): void {
    const { workspace: _, epoch: __, simulated: ___, ...told } = outcome;
    const networkSeen = network === undefined ? {} : { network };
    this.#trips.push({ ...told, networkGapMs: Math.round(gapMs), ...networkSeen });
  }

  /** The demo cannot go on. */
  stop(thrown: unknown): void {
    // What failed first, and not what could not be ended because of it.
    this.#error = DockError.from(thrown instanceof SuppressedError ? thrown.suppressed : thrown);
    this.failures.push(`${this.during} failed: ${this.#error.message}`);
  }

  get result(): DemoResult {
    return {
      trips: this.#trips,
      ...(this.network === undefined ? {} : { network: this.network }),
      failures: this.failures,
      ...(this.#error === undefined ? {} : { error: this.#error.toData() }),
    };
  }

  /** The demo's last words. */
  get verdict(): string {
    return this.failures.length === 0
      ? 'Every outcome is as it should be.'
      : `Not as it should be:\n  ${this.failures.join('\n  ')}`;
  }
}
