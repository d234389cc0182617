import { expect, it } from 'vitest';
import { mayHaveUsualPriority } from '../../../host-plugins/system/process/step-aside.ts';

const limits = (nice: string) =>
  `Limit                     Soft Limit           Hard Limit           Units\nMax nice priority         ${nice.padEnd(20)} ${nice}\n`;

it.each([
  ['wdockd of its unit', '20', true],
  ['one with no limit', 'unlimited', true],
  ['a user', '0', false],
  ['a user who may have some of it', '19', false],
])('%s comes back from a low priority by its limit, or not', (_, nice, may) => {
  expect(mayHaveUsualPriority(limits(nice))).toBe(may);
});
