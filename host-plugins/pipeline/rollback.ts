import { DockError } from '../../protocol/dock-error.ts';

/**
 * What has to be put back when a trip does not reach its hand-over, newest first. Undo runs under a signal of its
 * own, for the trip's has been aborted by then. One undo that fails does not keep the others from running.
 */
export class Rollback {
  readonly #undos: { text: string; undo: (signal: AbortSignal) => Promise<void> }[] = [];
  readonly #deadlineMs: number;

  /** `deadlineMs` bounds each single undo. */
  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  defer(text: string, undo: (signal: AbortSignal) => Promise<void>): void {
    this.#undos.push({ text, undo });
  }

  /** The hand-over has happened: nothing may be undone any more. */
  commit(): void {
    this.#undos.length = 0;
  }

  /** Never throws; returns what could not be undone, in words. */
  async unwind(): Promise<string[]> {
    const problems: string[] = [];
    for (let step = this.#undos.pop(); step !== undefined; step = this.#undos.pop()) {
      try {
        await step.undo(AbortSignal.timeout(this.#deadlineMs));
      } catch (error) {
        problems.push(`${step.text}: ${DockError.from(error).message}`);
      }
    }
    return problems;
  }
}
