import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longestGap, parsePingReply } from '../../lab/network/ping-output.ts';

describe('a line of ping', () => {
  it.each([
    'PING 10.77.0.50 (10.77.0.50) 56(84) bytes of data.',
    '[1763916270.204001] From 10.77.0.21 icmp_seq=7 Destination Host Unreachable',
    '[1763916270.204001] no answer yet for icmp_seq=7',
    '1372 packets transmitted, 1201 received, 12.4636% packet loss, time 9993ms',
    '',
  ])('is no answer: %s', (line) => {
    expect(parsePingReply(line)).toBeUndefined();
  });

  it('is an answer, with its time in milliseconds', () => {
    const line = '[1763916270.204537] 64 bytes from 10.77.0.50: icmp_seq=8 ttl=64 time=0.412 ms';
    expect(parsePingReply(line)).toBeCloseTo(1763916270204.537, 3);
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
