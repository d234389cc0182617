import { DockError } from '../../protocol/dock-error.ts';

/** Where something stands in a file; both count from 1, columns in UTF-16 units as editors do. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One mistake in a file. `path` is that of the key, e.g. `when[0].memory.share`; empty for the whole file. */
export interface Fault extends Position {
  readonly file: string;
  readonly path: string;
  readonly message: string;
}

const faultsShown = 5;
const sourceColumns = 100;
/** A key of a file that was no policy can be as long as the file. */
const wordColumns = 120;
/** They would repaint the terminal; a text in quotes can bring them by `\e`. */
const controls = /\p{Cc}/gu;

/**
 * The error for a file with mistakes: kind `config-invalid`, `detail.faults` has all of them in the order of
 * the file, the message shows the first few with their source lines.
 */
export function faultyFile(what: string, text: string, faults: readonly Fault[]): DockError {
  const sorted = [...faults].sort((a, b) => a.line - b.line || a.column - b.column);
  return new DockError('config-invalid', describeFaults(what, text, sorted, faultsShown), {
    detail: { faults: sorted },
  });
}

/** What `faultyFile` says, with all of the faults or the first few. */
export function describeFaults(
  what: string,
  text: string,
  faults: readonly Fault[],
  most = faults.length,
): string {
  const lines = text.split(/\r\n|\r|\n/);
  const shown = faults.slice(0, most).map((fault) => renderFault(fault, lines));
  const more = faults.length - shown.length;
  const file = faults[0]?.file ?? what;
  const count = faults.length === 1 ? 'a mistake' : `${faults.length} mistakes`;
  const message = [`${what} ${file} has ${count}; correct it and try again:`, ...shown];
  if (more > 0) message.push(`… and ${more} more`);
  return message.join('\n');
}

function renderFault(fault: Fault, lines: readonly string[]): string {
  const where = `${fault.file}:${fault.line}:${fault.column}`;
  const head = `${where}: ${fault.path === '' ? '' : `${visible(fault.path)}: `}${visible(fault.message, 2 * wordColumns)}`;
  const source = lines[fault.line - 1];
  if (source === undefined) return head;
  const number = String(fault.line).padStart(5);
  const rows = [head, `${number} | ${source.slice(0, sourceColumns).replace(controls, ' ')}`];
  // A caret far to the right helps nobody.
  if (fault.column <= sourceColumns) rows.push(`      | ${' '.repeat(fault.column - 1)}^`);
  return rows.join('\n');
}

function visible(text: string, most = wordColumns): string {
  const short = text.length > most ? `${text.slice(0, most)}…` : text;
  return short.replace(controls, '?');
}

export type KeyPath = readonly (string | number)[];

/** `['when', 0, 'memory']` → `when[0].memory`. */
export function pathText(path: KeyPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}
