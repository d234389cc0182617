import { describe, expect, it } from 'vitest';
import type { Dice } from './dice.ts';
import { parseFuzzArguments } from './fuzz-arguments.ts';
import { runCases } from './run-cases.ts';
import { targets } from './targets.ts';

describe('the fuzzer', () => {
  it('tells which case went wrong, and that case goes wrong again', () => {
    const target = (dice: Dice) => {
      if (dice.below(50) === 7) throw new Error('a planted bug');
    };
    const fault = runCases(target, { seed: 'a', first: 1, count: 1000, step: 2 });
    expect(fault).toMatchObject({ message: expect.stringContaining('a planted bug') });
    const again = { seed: 'a', first: fault?.caseNumber ?? 0, count: 1, step: 1 };
    expect(runCases(target, again)?.caseNumber).toBe(fault?.caseNumber);
  });

  it('refuses a target and a number that there are not', () => {
    expect(() => parseFuzzArguments(['frames', 'fames'])).toThrow(/no target fames/);
    expect(() => parseFuzzArguments(['--runs', 'many'])).toThrow(/--runs takes a whole number from 1/);
  });

  it.each(Object.keys(targets))('finds nothing in the first cases of %s', (name) => {
    const make = targets[name];
    const fault = make && runCases(make(), { seed: 'unit', first: 0, count: 300, step: 1 });
    expect(fault).toBeUndefined();
  });
});
