/** One line of `triggers.hours`: on these days from one minute of the day to another, in local time. */
export interface WeeklyHours {
  /** 0 is Sunday, as in JavaScript's `Date`. */
  readonly days: ReadonlySet<number>;
  /** Minutes since midnight, 0 to 1439. */
  readonly from: number;
  /** 1 to 1440, exclusive; not after `from`: on the next day. */
  readonly to: number;
}

/** A minute of the week, in local time. */
export interface WeekTime {
  /** 0 is Sunday. */
  readonly day: number;
  /** Since midnight, 0 to 1439. */
  readonly minute: number;
}

const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
export const minutesOfDay = 24 * 60;
export const minutesOfWeek = 7 * minutesOfDay;

/** Reads `Mon-Fri 08:00-18:00`, `Sat,Sun 10:00-12:30`, `daily 22:00-06:00`; undefined for what is none of these. */
export function parseHours(text: string): WeeklyHours | undefined {
  const parts = /^([A-Za-z,-]+) (\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(text);
  if (parts === null) return undefined;
  const [, names = '', ...numbers] = parts;
  const days = parseDays(names.toLowerCase());
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = numbers.map(Number);
  const from = fromHour * 60 + fromMinute;
  const to = toHour * 60 + toMinute;
  const times = fromMinute < 60 && toMinute < 60 && from < minutesOfDay && to <= minutesOfDay && from !== to;
  return days === undefined || !times ? undefined : { days, from, to };
}

/** Reads `Mon 08:55`; undefined for what is no time of the week. */
export function parseWeekTime(text: string): WeekTime | undefined {
  const parts = /^([A-Za-z]{3}) (\d\d):(\d\d)$/.exec(text);
  const [, name = '', hour = '', minute = ''] = parts ?? [];
  const day = dayNames.indexOf(name.toLowerCase());
  if (parts === null || day < 0 || Number(hour) > 23 || Number(minute) > 59) return undefined;
  return { day, minute: Number(hour) * 60 + Number(minute) };
}

/** Whether now is within one of the hours; within no hours at all it always is. */
export function withinHours(hours: readonly WeeklyHours[], { day, minute }: WeekTime): boolean {
  if (hours.length === 0) return true;
  const yesterday = (day + 6) % 7;
  return hours.some(({ days, from, to }) =>
    to > from
      ? days.has(day) && minute >= from && minute < to
      : (days.has(day) && minute >= from) || (days.has(yesterday) && minute < to),
  );
}

function parseDays(text: string): Set<number> | undefined {
  if (text === 'daily') return new Set(dayNames.keys());
  const days = new Set<number>();
  for (const range of text.split(',')) {
    const [first = '', last = first, ...more] = range.split('-');
    const from = dayNames.indexOf(first);
    const to = dayNames.indexOf(last);
    if (from < 0 || to < 0 || more.length > 0) return undefined;
    // Fri-Mon goes over the end of the week
    for (let day = from; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === to) break;
    }
  }
  return days;
}
