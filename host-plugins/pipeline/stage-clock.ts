import type { StageTime } from '../../protocol/outcome.ts';
import type { ProgressEvent, StageName } from '../../protocol/progress-event.ts';

export type Emit = (event: ProgressEvent) => void;

/** Tells how a stage goes; `fraction`, from 0 to 1, of its work is done. */
export type Say = (text: string, fraction?: number) => void;

/** Milliseconds since 1970, and monotonic milliseconds; so that tests own the time. */
export interface Clock {
  wall(): number;
  monotonic(): number;
}

export const systemClock: Clock = { wall: () => Date.now(), monotonic: () => performance.now() };

/** Runs the stages of a trip one after the other, times them and tells of each. */
export class StageClock {
  readonly #emit: Emit;
  readonly #clock: Clock;
  readonly times: StageTime[] = [];
  /** The stage that runs now, or the last one. */
  current: StageName | undefined;

  constructor(emit: Emit, clock: Clock) {
    this.#emit = emit;
    this.#clock = clock;
  }

  /** Runs one. What its work says after its end is told to nobody: it would stand among the next stage's. */
  async run<T>(stage: StageName, work: (say: Say) => Promise<T>): Promise<T> {
    this.current = stage;
    const begin = this.#clock.monotonic();
    this.#emit({ kind: 'stage-started', at: this.#clock.wall(), stage });
    let over = false;
    const say: Say = (text, fraction) => {
      if (over) return;
      this.#emit({
        kind: 'stage-progress',
        at: this.#clock.wall(),
        stage,
        text,
        ...(fraction === undefined ? {} : { fraction: Math.min(1, Math.max(0, fraction)) }),
      });
    };
    const result = await work(say).finally(() => {
      over = true;
    });
    const ms = Math.round(this.#clock.monotonic() - begin);
    this.times.push({ name: stage, ms });
    this.#emit({ kind: 'stage-done', at: this.#clock.wall(), stage, ms });
    return result;
  }
}
