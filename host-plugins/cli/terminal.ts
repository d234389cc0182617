/** Where wdock's words go. Everything that is printed passes here, so that a test can read it. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Columns of a terminal that progress may be drawn on; undefined where the output is a file or a pipe. */
  readonly columns: number | undefined;
  readonly colour: boolean;
  /** False where the locale cannot show more than ASCII. */
  readonly unicode: boolean;
}

export function processTerminal(environment: NodeJS.ProcessEnv): Terminal {
  const locale = environment['LC_ALL'] || environment['LC_CTYPE'] || environment['LANG'] || '';
  const dumb = environment['TERM'] === 'dumb';
  return {
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(`${text}\n`),
    get columns() {
      return process.stdout.isTTY && !dumb ? process.stdout.columns : undefined;
    },
    colour: process.stdout.isTTY && !dumb && (environment['NO_COLOR'] ?? '') === '', // https://no-color.org
    unicode: /utf-?8/i.test(locale),
  };
}

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

const codes: Record<Style, number> = { bold: 1, dim: 2, green: 32, yellow: 33, red: 31 };

export function paint(text: string, style: Style, colour: boolean): string {
  return colour ? `\u001b[${codes[style]}m${text}\u001b[0m` : text;
}

/**
 * Names and messages come from other devices and from the guest: a control character in one must not repaint the
 * terminal. Line ends stay.
 */
export function printable(text: string): string {
  return text.replace(/(?!\n)[\p{Cc}\p{Bidi_Control}]/gu, '?');
}
