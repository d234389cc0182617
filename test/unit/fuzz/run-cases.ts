import { Dice } from './dice.ts';
import type { Target } from './targets.ts';

export interface Cases {
  readonly seed: string;
  readonly first: number;
  readonly count: number;
  /** From one case to the next. */
  readonly step: number;
}

export interface Fault {
  readonly caseNumber: number;
  readonly message: string;
}

/** Runs them in order; returns the first that goes wrong. `before` is told of each before it is run. */
export function runCases(
  target: Target,
  { seed, first, count, step }: Cases,
  before: (caseNumber: number) => void = () => undefined,
): Fault | undefined {
  for (let done = 0; done < count; done++) {
    const caseNumber = first + done * step;
    before(caseNumber);
    try {
      target(new Dice(seed, caseNumber));
    } catch (error) {
      return { caseNumber, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  }
  return undefined;
}
