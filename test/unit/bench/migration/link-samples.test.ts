import { describe, expect, it } from 'vitest';
import { bulkRate, parseLinkCounters } from '../../../../bench/migration/link-samples.ts';
import { parsePeakKiB } from '../../../../bench/migration/peak-memory.ts';

const counters = [
  'Inter-|   Receive                                                |  Transmit',
  ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
  '    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0',
  '  eth0: 7000000    5000    0    0    0     0          0         0    90000     800    0    0    0     0       0          0',
].join('\n');

describe('the counters of an interface', () => {
  it('are refused for a device that is not there', () => {
    expect(() => parseLinkCounters(counters, 'eth')).toThrow('no counters of eth');
  });

  it('are what came in and what went out', () => {
    expect(parseLinkCounters(counters, 'eth0')).toEqual({ receivedBytes: 7_000_000, sentBytes: 90_000 });
  });
});

describe('the rate of the bulk', () => {
  const samples = (...received: number[]) =>
    received.map((receivedBytes, index) => ({ atMs: index * 1000, receivedBytes, sentBytes: 0 }));

  it('is 0 where nothing came, and where nobody looked', () => {
    expect(bulkRate([])).toBe(0);
    expect(bulkRate(samples(5, 5, 5))).toBe(0);
  });

  it('leaves out the silence before and after, and the last bytes that trickle in', () => {
    const full = Array.from({ length: 21 }, (_, second) => second * 1000);
    expect(bulkRate(samples(0, 0, 0, 0, ...full, 20_001, 20_002, 20_003))).toBeCloseTo(1000, 0);
  });

  it('counts a pause in the middle', () => {
    expect(bulkRate(samples(0, 1000, 2000, 2000, 2000, 3000, 4000))).toBeLessThan(700);
  });
});

describe('the peak of a process', () => {
  it('is refused where the kernel does not say it', () => {
    expect(() => parsePeakKiB('Name:\tnode\nVmRSS:\t 100 kB\n')).toThrow('VmHWM');
  });

  it('is the high-water mark of its resident memory', () => {
    expect(parsePeakKiB('VmPeak:\t 900 kB\nVmHWM:\t  1234 kB\nVmRSS:\t 100 kB\n')).toBe(1234);
  });
});
