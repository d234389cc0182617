import { describe, expect, it } from 'vitest';
import { parseOwnCpuMs } from '../../../../bench/migration/processor-time.ts';

const status = (times: string) => `7 (a) S 1 (b) S 1 7 7 0 -1 4194560 100 200 0 0 ${times} 20 0 1 0 999`;

describe('the processor time of a process', () => {
  it('is its own, without that of children that have ended', () => {
    expect(parseOwnCpuMs(status('12 5 4000 9000'))).toBe(170);
  });

  it.each(['7 (node) S 1 7 7 0 -1 0 1 2 3 4 55', '', status('x y 1 2')])('is not read from "%s"', (stat) => {
    expect(() => parseOwnCpuMs(stat)).toThrow('no times');
  });
});
