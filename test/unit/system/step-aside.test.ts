import { expect, it } from 'vitest';
import { mayHaveUsualPriority } from '../../../host-plugins/system/process/step-aside.ts';

const status = (effective: string) => `Name:\twdockd\nCapInh:\t0000000000000000\nCapEff:\t${effective}\n`;
const limits = (nice: string) =>
  `Limit                     Soft Limit           Hard Limit           Units\nMax nice priority         ${nice.padEnd(20)} ${nice}\n`;

it.each([
  ['root', '000001ffffffffff', '0', true],
  ['wdockd of its unit', '00000000000834c2', '20', true],
  ['one with no limit', '0000000000000000', 'unlimited', true],
  ['a user', '0000000000000000', '0', false],
  ['a user who may have some of it', '0000000000000000', '19', false],
  ['one with everything but CAP_SYS_NICE', '000001ffff7fffff', '0', false],
])('%s comes back from a low priority, or not', (_, effective, nice, may) => {
  expect(mayHaveUsualPriority(status(effective), limits(nice))).toBe(may);
});
