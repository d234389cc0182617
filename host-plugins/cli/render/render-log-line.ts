import { z } from 'zod';
import { formatClock } from './quantities.ts';

const LogLine = z.looseObject({ level: z.string(), time: z.iso.datetime(), msg: z.string().default('') });
const shownElsewhere = new Set(['level', 'time', 'msg', 'device', 'err']);

/** One line of wdockd's log for people; a line that is not one of its own is shown as it is. */
export function renderLogLine(line: string): string {
  const parsed = LogLine.safeParse(parseJson(line));
  if (!parsed.success) return line;
  const { level, time, msg, ...rest } = parsed.data;
  const facts = Object.entries(rest)
    .filter(([key]) => !shownElsewhere.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const error = z.looseObject({ message: z.string() }).safeParse(rest['err']);
  const cause = error.success ? `: ${error.data.message}` : '';
  const head = `${formatClock(Date.parse(time))}  ${level.padEnd(5)}  ${msg}${cause}`;
  return facts.length === 0 ? head : `${head}  ${facts.join(' ')}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
