/** The parts of a usage text as `wdockd --help` prints it. */
export interface UsageText {
  /** Command lines, without `usage: `. */
  readonly usage: readonly string[];
  /** Options or commands, each with what it does. */
  readonly entries: readonly { readonly term: string; readonly text: string }[];
  readonly paragraphs: readonly string[];
}

/**
 * Reads a usage text: `usage: …` lines; entries, indented by two, their text two or more blanks behind or on the next
 * line, further in; anything else is a paragraph. A first line before the usage is a title, and left out.
 */
export function parseUsageText(text: string): UsageText {
  const usage: string[] = [];
  const entries: { term: string; text: string }[] = [];
  const paragraphs: string[] = [];
  for (const line of text.split('\n')) {
    const entry = /^ {2}(\S.*?)(?: {2,}(.*))?$/.exec(line);
    const last = entries.at(-1);
    if (line.startsWith('usage: ')) usage.push(line.slice('usage: '.length));
    else if (entry !== null) entries.push({ term: entry[1] ?? '', text: entry[2] ?? '' });
    else if (/^ {3,}\S/.test(line) && last !== undefined) last.text = `${last.text} ${line.trim()}`.trim();
    else if (line.trim() !== '' && usage.length > 0) paragraphs.push(line);
  }
  return { usage, entries, paragraphs };
}
