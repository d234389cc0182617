import type { Decision } from '../protocol/control-methods.ts';
import { wrapText } from './wrap-text.ts';

const headings: Decision = { what: 'WHAT', value: 'VALUE', rule: 'RULE', because: 'BECAUSE' };
const gap = '  ';
/** Narrower than this a column of sentences is no longer read. */
const leastReasonWidth = 28;

/**
 * A table for terminals, one decision a row, at most `width` columns wide. Steps about the same thing stand below
 * each other, the thing named once; the lowest is what holds. Where the reasons find no room beside the other
 * columns they stand on lines of their own below them.
 */
export function renderDecisions(decisions: readonly Decision[], width = 100): string {
  const rows = [headings, ...decisions];
  const column = (key: 'what' | 'value' | 'rule') => Math.max(...rows.map((row) => row[key].length));
  const widths = { what: column('what'), value: column('value'), rule: column('rule') };
  const left = widths.what + widths.value + widths.rule + 3 * gap.length;
  const beside = width - left >= leastReasonWidth;
  const indent = beside ? left : widths.what + gap.length;

  const lines: string[] = [];
  rows.forEach((row, index) => {
    const what = index > 0 && row.what === rows[index - 1]?.what ? '' : row.what;
    const cells = [what.padEnd(widths.what), row.value.padEnd(widths.value), row.rule.padEnd(widths.rule)];
    const [first = '', ...rest] = wrapText(row.because, Math.max(leastReasonWidth, width - indent));
    const head = cells.join(gap);
    if (beside) lines.push((head + gap + first).trimEnd());
    else if (index === 0) lines.push(head.trimEnd());
    else lines.push(head.trimEnd(), ' '.repeat(indent) + first);
    for (const more of rest) lines.push(' '.repeat(indent) + more);
  });
  return lines.join('\n');
}
