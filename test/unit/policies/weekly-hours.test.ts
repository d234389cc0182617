import { describe, expect, it } from 'vitest';
import { parseHours, parseWeekTime, withinHours } from '../../../policies/language/weekly-hours.ts';

const within = (hours: string, time: string) => {
  const [parsed, now] = [parseHours(hours), parseWeekTime(time)];
  if (parsed === undefined || now === undefined) throw new Error('not hours');
  return withinHours([parsed], now);
};

describe('hours of the week', () => {
  it.each([
    'Mon-Fri',
    'Mon-Fri 8:00-18:00',
    'Mon-Fri 08:00-18:60',
    'Mon-Fri 08:00-24:01',
    'Mon-Fri 24:00-08:00',
    'Mon-Tue-Wed 08:00-09:00',
    'Mo 08:00-09:00',
    'Mon, Tue 08:00-09:00',
    'Mon 08:00-08:00',
    '',
  ])('"%s" are none', (text) => {
    expect(parseHours(text)).toBeUndefined();
  });

  it.each([
    ['Mon-Fri 08:00-18:00', 'Mon 08:00', true],
    ['Mon-Fri 08:00-18:00', 'Fri 17:59', true],
    ['Mon-Fri 08:00-18:00', 'Fri 18:00', false],
    ['Mon-Fri 08:00-18:00', 'Sat 12:00', false],
    ['Sat,Sun 10:00-24:00', 'Sun 23:59', true],
    ['Fri-Mon 10:00-11:00', 'Sun 10:30', true],
    ['Fri-Mon 10:00-11:00', 'Tue 10:30', false],
    ['Fri 22:00-06:00', 'Sat 05:59', true],
    ['Fri 22:00-06:00', 'Fri 05:59', false],
    ['Sat 22:00-06:00', 'Sun 00:00', true],
    ['daily 22:00-06:00', 'Wed 03:00', true],
  ])('%s: %s is %s', (hours, time, expected) => {
    expect(within(hours, time)).toBe(expected);
  });

  it('none at all are always', () => {
    expect(withinHours([], { day: 3, minute: 0 })).toBe(true);
  });
});
