import type { Decision } from '../protocol/control-methods.ts';
import { wrapText } from './wrap-text.ts';

const headings: Decision = { what: 'WHAT', value: 'VALUE', rule: 'RULE', because: 'BECAUSE' };
const gap = '  ';
/** Narrower than this a column of sentences is no longer read. */
const leastReasonWidth = 28;

interface Widths {
  readonly what: number;
  readonly value: number;
  readonly rule: number;
  readonly line: number;
}

/**
 * A table for terminals, one decision a row, at most `width` columns wide; without one as wide as it is. Steps about
 * the same thing stand below each other, the thing named once; the lowest is what holds. Where the reasons find no
 * room beside the other columns they stand on lines of their own below them, and the rules with them where these do
 * not fit either.
 */
export function renderDecisions(decisions: readonly Decision[], width = Number.POSITIVE_INFINITY): string {
  const rows = [headings, ...decisions];
  const column = (key: 'what' | 'value' | 'rule') => Math.max(...rows.map((row) => row[key].length));
  const widths = { what: column('what'), value: column('value'), rule: column('rule'), line: width };
  const withRule = widths.what + gap.length + widths.value + gap.length + widths.rule;
  const layout =
    width - withRule - gap.length >= leastReasonWidth ? beside : withRule <= width ? reasonBelow : ruleBelow;
  return rows
    .flatMap((row, index) => {
      const isSame = index > 0 && row.what === rows[index - 1]?.what;
      return layout({ ...row, what: (isSame ? '' : row.what).padEnd(widths.what) }, widths);
    })
    .map((line) => line.trimEnd())
    .join('\n');
}

function beside({ what, value, rule, because }: Decision, widths: Widths): string[] {
  const head = [what, value.padEnd(widths.value), rule.padEnd(widths.rule), ''].join(gap);
  return hang(head, because, widths.line);
}

function reasonBelow({ what, value, rule, because }: Decision, widths: Widths): string[] {
  const head = [what, value.padEnd(widths.value), rule].join(gap);
  if (because === headings.because) return [head];
  return [head, ...hang(' '.repeat(widths.what + gap.length), because, widths.line)];
}

/** Below the thing, not below its value: a rule is a path and a key, which a line should have room for. */
function ruleBelow({ what, value, rule, because }: Decision, widths: Widths): string[] {
  return [
    ...hang(what + gap, value, widths.line),
    ...hang(gap.repeat(2), `${rule}: ${because}`, widths.line),
  ];
}

/** `text` behind `head`, and what does not fit below its beginning. */
function hang(head: string, text: string, width: number): string[] {
  const [first = '', ...rest] = wrapText(text, Math.max(leastReasonWidth, width - head.length));
  return [head + first, ...rest.map((more) => ' '.repeat(head.length) + more)];
}
