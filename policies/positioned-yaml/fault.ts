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

/**
 * The error for a file with mistakes: kind `config-invalid`, `detail.faults` has all of them in the order of
 * the file, the message shows the first few with their source lines.
 */
export function faultyFile(what: string, text: string, faults: readonly Fault[]): DockError {
  const sorted = [...faults].sort((a, b) => a.line - b.line || a.column - b.column);
  const lines = text.split(/\r\n|\r|\n/);
  const shown = sorted.slice(0, faultsShown).map((fault) => renderFault(fault, lines));
  const more = sorted.length - shown.length;
  const file = sorted[0]?.file ?? what;
  const count = sorted.length === 1 ? 'a mistake' : `${sorted.length} mistakes`;
  const message = [`${what} ${file} has ${count}; correct it and try again:`, ...shown];
  if (more > 0) message.push(`… and ${more} more`);
  return new DockError('config-invalid', message.join('\n'), { detail: { faults: sorted } });
}

function renderFault(fault: Fault, lines: readonly string[]): string {
  const where = `${fault.file}:${fault.line}:${fault.column}`;
  const head = `${where}: ${fault.path === '' ? '' : `${fault.path}: `}${fault.message}`;
  const source = lines[fault.line - 1];
  if (source === undefined) return head;
  // A caret far to the right helps nobody, and control characters would repaint the terminal.
  const visible = source.slice(0, sourceColumns).replace(/\p{Cc}/gu, ' ');
  const number = String(fault.line).padStart(5);
  const rows = [head, `${number} | ${visible}`];
  if (fault.column <= sourceColumns) rows.push(`      | ${' '.repeat(fault.column - 1)}^`);
  return rows.join('\n');
}

export type KeyPath = readonly (string | number)[];

/** `['when', 0, 'memory']` → `when[0].memory`. */
export function pathText(path: KeyPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}
