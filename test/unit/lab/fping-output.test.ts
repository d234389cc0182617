import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longestGap, parseFpingReply } from '../../lab/network/fping-output.ts';

describe('a line of fping', () => {
  it.each([
    '[1796013364.78734] 10.77.0.50 : [390], timed out (NaN avg, 100% loss)',
    'ICMP Host Unreachable from 10.77.0.21 for ICMP Echo sent to 10.77.0.50',
    '10.77.0.50 : xmt/rcv/%loss = 492/490/0%, min/avg/max = 0.035/0.083/0.179',
    '',
  ])('is no answer: %s', (line) => {
    expect(parseFpingReply(line)).toBeUndefined();
  });

  it('is an answer, with its time in milliseconds', () => {
    const line = '[1763916270.20453] fd00:77::50 : [8], 64 bytes, 0.412 ms (0.412 avg, 0% loss)';
    expect(parseFpingReply(line)).toBeCloseTo(1763916270204.53, 3);
  });
});

describe('the longest silence', () => {
  it('is the whole time where nothing answered', () => {
    expect(longestGap([], 1000, 4000)).toEqual({ ms: 3000, fromMs: 1000 });
  });

  it('counts a silence that has not ended yet', () => {
    expect(longestGap([1010, 1020], 1000, 1500)).toEqual({ ms: 480, fromMs: 1020 });
  });

  it('counts a silence that began before the first answer', () => {
    expect(longestGap([1400, 1410], 1000, 1420)).toEqual({ ms: 400, fromMs: 1000 });
  });

  it('leaves out what was answered before the mark and after the end', () => {
    expect(longestGap([100, 1010, 1020, 9000], 1000, 1025).ms).toBe(10);
  });

  it('is never shorter than the mean, nor longer than the time between the marks', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5000 })), (times) => {
        const replies = times.toSorted((a, b) => a - b);
        const longest = longestGap(replies, 0, 5000).ms;
        expect(longest).toBeLessThanOrEqual(5000);
        expect(longest).toBeGreaterThanOrEqual(5000 / (replies.length + 1) - 1e-9);
      }),
    );
  });
});
