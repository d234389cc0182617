import { DockError } from '../../protocol/dock-error.ts';

/** A million codes, five guesses in ten minutes: who guesses day and night needs over two years for an even chance. */
const maxGuesses = 5;
const windowMs = 10 * 60_000;

/** Wrong guesses of all codes that this device has shown. In memory: only its own user can restart it. */
export class WrongGuesses {
  readonly #now: () => number;
  #times: readonly number[] = [];

  /** `now`: a clock that never goes back, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  add(): void {
    this.#times = [...this.#times, this.#now()].slice(-maxGuesses);
  }

  /** Throws `conflict` while there were too many, with how long to wait. */
  check(): void {
    const oldest = this.#times[0];
    if (this.#times.length < maxGuesses || oldest === undefined) return;
    const waitMs = oldest + windowMs - this.#now();
    if (waitMs <= 0) return;
    throw new DockError(
      'conflict',
      `${maxGuesses} wrong codes were tried within ${windowMs / 60_000} minutes; wait ${Math.ceil(waitMs / 60_000)} min, and if it was not you, somebody in your network is guessing: pair by certificate instead (\`wdock devices add\`)`,
      { detail: { waitMs: Math.ceil(waitMs) } },
    );
  }
}
