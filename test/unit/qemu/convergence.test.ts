import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Convergence } from '../../../host-plugins/qemu/convergence.ts';

const limits = { downtimeLimitMs: 300, maxDowntimeMs: 2_000 };

describe('the standstill that a move takes', () => {
  it('is never raised beyond what is allowed, however long the guest writes', () => {
    const convergence = new Convergence(limits);
    const raised = Array.from({ length: 100 }, (_, at) => convergence.observe(4, at * 1_000));
    expect(raised.filter((limit) => limit !== undefined)).toEqual([450, 675, 1013, 1520, 2000]);
  });

  it('is not raised while the memory is sent for the first time, nor in the pass after', () => {
    const convergence = new Convergence(limits);
    for (let at = 0; at < 60_000; at += 500)
      expect(convergence.observe(at < 30_000 ? 1 : 2, at)).toBe(undefined);
    expect(convergence.observe(3, 60_000)).toBe(undefined);
  });

  it('is not lowered by an allowance that is smaller than where it begins', () => {
    const convergence = new Convergence({ downtimeLimitMs: 500, maxDowntimeMs: 100 });
    convergence.observe(3, 0);
    expect(convergence.observe(3, 10_000)).toBe(undefined);
  });

  it('only grows, and not more often than once in two seconds', () => {
    const looks = fc.array(fc.record({ pass: fc.nat(9), afterMs: fc.nat(3_000) }), { maxLength: 60 });
    fc.assert(
      fc.property(looks, (all) => {
        const convergence = new Convergence(limits);
        let at = 0;
        let last = { at: Number.NEGATIVE_INFINITY, limit: limits.downtimeLimitMs };
        for (const { pass, afterMs } of all) {
          at += afterMs;
          const limit = convergence.observe(pass, at);
          if (limit === undefined) continue;
          expect(limit).toBeGreaterThan(last.limit);
          expect(at - last.at).toBeGreaterThanOrEqual(2_000);
          last = { at, limit };
        }
      }),
    );
  });
});
