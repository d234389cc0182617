import type { ProgressEvent, StageName } from '../../../protocol/progress-event.ts';
import { formatDuration } from '../render/quantities.ts';
import { renderProgressEvent } from '../render/render-event.ts';
import { paint, printable, type Terminal } from '../terminal.ts';
import type { ProgressView } from './progress-view.ts';

const frameMs = 120;
const clearLine = '\r\u001b[2K';
const hideCursor = '\u001b[?25l';
const showCursor = '\u001b[?25h';

/** What the live line is made from. */
export interface LiveStage {
  readonly stage: StageName;
  readonly text: string;
  readonly fraction: number | undefined;
  readonly elapsedMs: number;
  readonly frame: number;
}

/**
 * Finished stages stay as lines; the stage that runs is one line below them, redrawn in place, so that nothing
 * else that is printed is ever overwritten. (listr2 wants to own the tasks; here they run in another process.)
 */
export class TerminalProgress implements ProgressView {
  readonly #terminal: Terminal;
  readonly #write: (text: string) => void;
  readonly #timer: NodeJS.Timeout;
  #stage: { name: StageName; since: number; text: string; fraction: number | undefined } | undefined;
  #frame = 0;

  constructor(terminal: Terminal, write: (text: string) => void = (text) => void process.stdout.write(text)) {
    this.#terminal = terminal;
    this.#write = write;
    this.#timer = setInterval(() => this.#draw(), frameMs).unref();
    this.#write(hideCursor);
  }

  show(event: ProgressEvent): void {
    switch (event.kind) {
      case 'stage-started':
        this.#stage = { name: event.stage, since: performance.now(), text: '', fraction: undefined };
        break;
      case 'stage-progress':
        if (this.#stage?.name !== event.stage) {
          this.#stage = { name: event.stage, since: performance.now(), text: '', fraction: undefined };
        }
        this.#stage.text = event.text;
        this.#stage.fraction = event.fraction;
        break;
      case 'stage-done':
        this.#print(this.#doneLine(event.stage, event.ms));
        if (this.#stage?.name === event.stage) this.#stage = undefined;
        break;
      case 'trip-started':
        this.#print(paint(printable(renderProgressEvent(event) ?? ''), 'bold', this.#terminal.colour));
        break;
      case 'note':
        this.#print(`  ${printable(event.text)}`);
        break;
      case 'trip-done':
        this.#stage = undefined;
        this.#print('');
        break;
      case 'trip-failed':
        this.#stage = undefined;
        if (event.stage !== undefined) this.#print(this.#failedLine(event.stage));
        break;
    }
    this.#draw();
  }

  note(text: string): void {
    this.#print(text);
    this.#draw();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#write(clearLine + showCursor);
  }

  #doneLine(stage: StageName, ms: number): string {
    const tick = paint(this.#terminal.unicode ? '✔' : 'ok', 'green', this.#terminal.colour);
    const last = this.#stage?.name === stage ? this.#stage.text : '';
    const width = (this.#terminal.columns ?? 80) - 28;
    const text = shorten(printable(last), width);
    return `  ${tick} ${stage.padEnd(10)} ${formatDuration(ms).padStart(8)}  ${paint(text, 'dim', this.#terminal.colour)}`.trimEnd();
  }

  #failedLine(stage: StageName): string {
    return `  ${paint(this.#terminal.unicode ? '✘' : 'no', 'red', this.#terminal.colour)} ${stage}`;
  }

  #print(line: string): void {
    this.#write(`${clearLine}${line}\n`);
  }

  #draw(): void {
    if (this.#stage === undefined) return;
    const { name: stage, since, text, fraction } = this.#stage;
    const elapsedMs = performance.now() - since;
    const live = { stage, text, fraction, elapsedMs, frame: this.#frame++ };
    this.#write(clearLine + renderLiveStage(live, this.#terminal.columns ?? 80, this.#terminal.unicode));
  }
}

const barWidth = 20;

/** The stage that runs, never wider than one line less a column, where a terminal would wrap. */
export function renderLiveStage(live: LiveStage, columns: number, unicode: boolean): string {
  const spinner = unicode ? '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏' : '|/-\\';
  const turn = spinner[live.frame % spinner.length] ?? ' ';
  const head = `  ${turn} ${live.stage.padEnd(10)} ${formatDuration(live.elapsedMs).padStart(8)}`;
  const bar = live.fraction === undefined ? '' : `  ${renderBar(live.fraction, unicode)}`;
  return shorten(`${head}${bar}  ${printable(live.text)}`, columns - 1);
}

function renderBar(fraction: number, unicode: boolean): string {
  const full = Math.floor(Math.min(1, Math.max(0, fraction)) * barWidth);
  const [done, left] = unicode ? ['█', '░'] : ['#', '.'];
  return `${done.repeat(full)}${left.repeat(barWidth - full)} ${String(Math.floor(fraction * 100)).padStart(3)} %`;
}

function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}~`;
}
