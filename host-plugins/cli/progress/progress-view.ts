import type { ProgressEvent } from '../../../protocol/progress-event.ts';
import { renderProgressEvent } from '../render/render-event.ts';
import { printable, type Terminal } from '../terminal.ts';
import { TerminalProgress } from './terminal-progress.ts';

/** Shows the progress of one trip. The end of it (outcome or error) is shown by the command, after `close`. */
export interface ProgressView {
  show(event: ProgressEvent): void;
  note(text: string): void;
  close(): void;
}

/** Bars on a terminal, lines elsewhere, objects for programs. */
export function progressView(terminal: Terminal, json: boolean): ProgressView {
  if (json) return new JsonProgress(terminal);
  return terminal.columns === undefined ? new LineProgress(terminal) : new TerminalProgress(terminal);
}

/** One object a line; the last events of a trip are printed by the command, which has to print one always. */
class JsonProgress implements ProgressView {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(event: ProgressEvent): void {
    if (event.kind === 'trip-done' || event.kind === 'trip-failed') return;
    this.#terminal.out(JSON.stringify(event));
  }

  note(text: string): void {
    this.#terminal.err(text);
  }

  close(): void {}
}

/** Between two lines of one stage, ms, so that a log is not filled with percentages. */
const lineIntervalMs = 2_000;

class LineProgress implements ProgressView {
  readonly #terminal: Terminal;
  #lastProgressAt = Number.NEGATIVE_INFINITY;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(event: ProgressEvent): void {
    if (event.kind === 'trip-done' || event.kind === 'trip-failed') return;
    if (event.kind === 'stage-started') this.#lastProgressAt = Number.NEGATIVE_INFINITY;
    if (event.kind === 'stage-progress') {
      if (event.at - this.#lastProgressAt < lineIntervalMs) return;
      this.#lastProgressAt = event.at;
    }
    const line = renderProgressEvent(event);
    if (line !== undefined) this.#terminal.out(printable(line));
  }

  note(text: string): void {
    this.#terminal.err(text);
  }

  close(): void {}
}
