import { wrapText } from '../../../policies/wrap-text.ts';

/** A last column narrower than this is not wrapped: a tower of words is no better to read than a long line. */
const leastLastWidth = 24;

/**
 * Aligned columns, two blanks between them; the last one is not padded. Cells may have any printable text.
 * @param width of the terminal: what of a last cell does not fit goes on below it. Without one lines are as long as
 * they are
 */
export function renderTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  width?: number,
): string {
  const all = headings.length > 0 ? [headings, ...rows] : rows;
  const widths = all.reduce<number[]>((known, row) => {
    row.forEach((cell, at) => {
      known[at] = Math.max(known[at] ?? 0, cell.length);
    });
    return known;
  }, []);
  return all
    .map((row) => {
      const before = row.slice(0, -1).map((cell, at) => `${cell.padEnd(widths[at] ?? 0)}  `);
      return hang(before.join(''), row.at(-1) ?? '', width).trimEnd();
    })
    .join('\n');
}

/** `Name:  value` lines; `width` as in `renderTable`. */
export function renderFields(
  fields: readonly (readonly [name: string, value: string])[],
  width?: number,
): string {
  return renderTable(
    [],
    fields.map(([name, value]) => [`${name}:`, value]),
    width,
  );
}

/** `text` after `before`, and what of it does not fit into `width` below its own beginning. */
export function hang(before: string, text: string, width = Number.POSITIVE_INFINITY): string {
  const room = width - before.length;
  if (room < leastLastWidth) return before + text;
  return before + wrapText(text, room).join(`\n${' '.repeat(before.length)}`);
}
