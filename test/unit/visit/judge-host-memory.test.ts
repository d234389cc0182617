import { describe, expect, it } from 'vitest';
import {
  type HostMemoryFacts,
  judgeHostMemory,
  parseControlGroups,
  parseCoreLimit,
  parseSwaps,
} from '../../../host-plugins/visit/judge-host-memory.ts';

const keeping: HostMemoryFacts = { swaps: [], swapForbidden: false, coreLimit: 1, corePattern: 'core' };
const judge = (facts: Partial<HostMemoryFacts>) => judgeHostMemory({ ...keeping, ...facts });

describe('a device that could write the memory of a VM to its disks', () => {
  it('says so where it has swap, and names it', () => {
    expect(judge({ swaps: ['/dev/sda3', '/swapfile'] })).toEqual([
      {
        why: expect.stringContaining('/dev/sda3, /swapfile'),
        remedy: expect.stringContaining('MemorySwapMax=0'),
      },
    ]);
  });

  it('is not one where its control group has no swap', () => {
    expect(judge({ swaps: ['/dev/sda3'], swapForbidden: true })).toEqual([]);
  });

  it.each([
    ['a file', 'core', Number.POSITIVE_INFINITY],
    ['a file, of any length', 'core', 4096],
    ['a program, also with a limit of 0', '|/usr/share/apport/apport -p%p', 0],
    ['a program', '|/usr/lib/systemd/systemd-coredump %P', Number.POSITIVE_INFINITY],
  ])('says so where core dumps go to %s', (_where, corePattern, coreLimit) => {
    expect(judge({ corePattern, coreLimit })).toMatchObject([{ why: expect.stringContaining('core dump') }]);
  });

  it.each([
    ['a file', 'core', 0],
    ['a file', 'core', 1],
    ['a program', '|/usr/share/apport/apport -p%p', 1],
    ['a program that heeds a limit of 0', '|/usr/lib/systemd/systemd-coredump %P', 0],
  ])(
    'is not one where core dumps would go to %s and the limit forbids them',
    (_where, corePattern, coreLimit) => {
      expect(judge({ corePattern, coreLimit })).toEqual([]);
    },
  );
});

describe('what the kernel says of it', () => {
  it('is read from /proc/swaps', () => {
    const text =
      'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/dm-1                               partition\t8388604\t\t0\t\t-2\n/swap\\040file file 1024 0 -3\n';
    expect(parseSwaps(text)).toEqual(['/dev/dm-1', '/swap\\040file']);
    expect(parseSwaps('Filename\tType\tSize\tUsed\tPriority\n')).toEqual([]);
  });

  it('is read from /proc/PID/limits', () => {
    const limits = (soft: string) =>
      `Limit\nMax core file size        ${soft}                    unlimited            bytes\n`;
    expect(parseCoreLimit(limits('1'))).toBe(1);
    expect(parseCoreLimit(limits('unlimited'))).toBe(Number.POSITIVE_INFINITY);
    expect(parseCoreLimit('')).toBe(Number.POSITIVE_INFINITY);
  });

  it('is read from /proc/PID/cgroup, with the groups above', () => {
    expect(parseControlGroups('1:name=systemd:/x\n0::/system.slice/wdockd.service\n')).toEqual([
      '/system.slice',
      '/system.slice/wdockd.service',
    ]);
    expect(parseControlGroups('4:memory:/a\n')).toEqual([]);
    expect(parseControlGroups('0::/\n')).toEqual([]);
  });
});
