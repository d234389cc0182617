import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { formatStep } from '../../../guest-agent/apply/set-clock.ts';
import { setOnlineVcpus } from '../../../guest-agent/apply/set-online-vcpus.ts';
import { readEdidSizeMm } from '../../../guest-agent/observe/parse-edid.ts';
import {
  findAdvertisedPrefixes,
  findDefaultRoute,
  findDefaultRoute6,
  findKiBAsMiB,
  findNeighbour,
  findNeighbour6,
  findPressureSomeAvg10,
  findShortestLife,
  parseCpuList,
} from '../../../guest-agent/observe/parse-kernel-text.ts';
import { readVcpus } from '../../../guest-agent/observe/read-cpus.ts';
import { readMemory } from '../../../guest-agent/observe/read-memory.ts';
import { SystemFiles } from '../../../guest-agent/system-files.ts';

describe("the kernel's texts", () => {
  it('refuse a list of processors that is none', () => {
    for (const text of ['a', '1-', '-1', '1-2-3', '0x1'])
      expect(() => parseCpuList(text)).toThrow(SyntaxError);
  });

  it('list processors as ranges', () => {
    expect(parseCpuList('0-2,5,8-9\n')).toEqual([0, 1, 2, 5, 8, 9]);
    expect(parseCpuList('\n')).toEqual([]);
  });

  it('give memory in MiB, and nothing for a line that is missing', () => {
    const text = 'MemTotal:         492324 kB\nMemAvailable:     123456 kB\n';
    expect(findKiBAsMiB(text, 'MemTotal')).toBe(480.8);
    expect(findKiBAsMiB(text, 'Mem')).toBeUndefined();
  });

  it('give the pressure of the last ten seconds', () => {
    const text =
      'some avg10=1.53 avg60=0.40 avg300=0.10 total=99\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n';
    expect(findPressureSomeAvg10(text)).toBe(1.53);
    expect(findPressureSomeAvg10('')).toBeUndefined();
  });

  it('give the default route with the lowest metric, none that has no gateway, and no way out of kept addresses', () => {
    const header = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
    const line = (name: string, destination: string, gateway: string, flags: string, metric: number) =>
      `${name}\t${destination}\t${gateway}\t${flags}\t0\t0\t${metric}\t00000000\t0\t0\t0\n`;
    const text =
      header +
      line('tun0', '00000000', '00000000', '0001', 1) +
      line('eth0', '00000000', '014DFEA9', '0003', 50) +
      line('wlan0', '00000000', '0102A8C0', '0003', 600) +
      line('eth0', '00000000', '01004D0A', '0003', 100);
    expect(findDefaultRoute(text)).toEqual({ interface: 'eth0', gateway: '10.77.0.1' });
    expect(findDefaultRoute(header)).toBeUndefined();
  });

  it('give the IPv6 default route with the lowest metric, and none that leads nowhere', () => {
    const zero = '0'.repeat(32);
    const router = 'fe80000000000000dce393fffe50bdf2';
    const line = (gateway: string, metric: string, flags: string, name: string) =>
      `${zero} 00 ${zero} 00 ${gateway} ${metric} 00000001 00000000 ${flags} ${name}\n`;
    const text =
      `fd780000000000010000000000000000 40 ${zero} 00 ${router} 00000001 00000001 00000000 00000003     eth0\n` +
      line(zero, '00000001', '00000001', 'tun0') +
      line(zero, 'ffffffff', '00200200', 'lo') +
      line(router, '00000258', '00000003', 'wlan0') +
      line(router, '00000064', '00000003', 'eth0');
    expect(findDefaultRoute6(text)).toEqual({ interface: 'eth0', gateway: 'fe80::dce3:93ff:fe50:bdf2' });
    expect(findDefaultRoute6(line(zero, 'ffffffff', '00200200', 'lo'))).toBeUndefined();
    expect(findDefaultRoute6('')).toBeUndefined();
  });

  it('give an IPv6 neighbour only when it has answered', () => {
    const neighbour = (changes: object) => JSON.stringify([{ dst: 'fe80::1', ...changes }]);
    expect(findNeighbour6(neighbour({ state: ['INCOMPLETE'] }))).toBeUndefined();
    expect(findNeighbour6(neighbour({ lladdr: '02:00:00:00:00:01', state: ['FAILED'] }))).toBeUndefined();
    expect(findNeighbour6(neighbour({ lladdr: '02:AA:00:00:00:01', state: ['STALE'] }))).toBe(
      '02:aa:00:00:00:01',
    );
    for (const text of ['', '[]', '{', '{}']) expect(findNeighbour6(text)).toBeUndefined();
  });

  it('tell the prefixes that routers advertise from having heard no router', () => {
    const routes = [
      { dst: 'default', gateway: 'fe80::1' },
      { dst: 'fd78:0:0:1::/64' },
      { dst: 'fd99::/64', gateway: 'fe80::1' },
    ];
    expect(findAdvertisedPrefixes(JSON.stringify(routes))).toEqual([{ address: 'fd78:0:0:1::', prefix: 64 }]);
    for (const text of ['', '[]', '{']) expect(findAdvertisedPrefixes(text)).toBeUndefined();
  });

  it('say how long the address is good that is good for the shortest time', () => {
    const forever = 4_294_967_295;
    const life = (...lives: [preferred: number, valid: number][]): number =>
      findShortestLife(
        JSON.stringify([
          {},
          {
            addr_info: [
              ...lives.map(([preferred, valid]) => ({
                preferred_life_time: preferred,
                valid_life_time: valid,
              })),
              {},
            ],
          },
        ]),
      );
    expect(life([300, 600], [forever, forever])).toBe(300);
    expect(life([0, 200], [300, 600])).toBe(200);
    expect(life([forever, forever])).toBe(Number.POSITIVE_INFINITY);
    for (const text of ['', '{', '{}']) expect(findShortestLife(text)).toBe(0);
  });

  it('give a neighbour only when it has answered, on the interface that is asked for', () => {
    const text =
      'IP address       HW type     Flags       HW address            Mask     Device\n' +
      '10.77.0.1        0x1         0x0         00:00:00:00:00:00     *        eth0\n' +
      '10.77.0.1        0x1         0x2         02:AA:00:00:00:01     *        eth1\n';
    expect(findNeighbour(text, '10.77.0.1', 'eth0')).toBeUndefined();
    expect(findNeighbour(text, '10.77.0.1', 'eth1')).toBe('02:aa:00:00:00:01');
  });
});

describe('the EDID of a screen', () => {
  const edid = (change: (bytes: Uint8Array) => void): Uint8Array => {
    const bytes = new Uint8Array(128);
    bytes.set([0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]);
    change(bytes);
    return bytes;
  };

  it('never makes the reader throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 256 }), (bytes) => void readEdidSizeMm(bytes)));
  });

  it('gives no size where it has none, or is no EDID', () => {
    expect(readEdidSizeMm(edid(() => {}))).toBeUndefined();
    expect(readEdidSizeMm(new Uint8Array(128))).toBeUndefined();
    expect(readEdidSizeMm(edid(() => {}).subarray(0, 100))).toBeUndefined();
  });

  it('gives the millimetres of the preferred timing before the centimetres of the display', () => {
    const bytes = edid((all) => {
      all[21] = 60;
      all[22] = 34;
      all.set([0x10, 0x27], 54);
      all[54 + 12] = 597 & 0xff;
      all[54 + 13] = 336 & 0xff;
      all[54 + 14] = ((597 >> 8) << 4) | (336 >> 8);
    });
    expect(readEdidSizeMm(bytes)).toEqual({ widthMm: 597, heightMm: 336 });
    bytes.fill(0, 54, 72);
    expect(readEdidSizeMm(bytes)).toEqual({ widthMm: 600, heightMm: 340 });
  });
});

describe('the clock', () => {
  it('is stepped by a signed number of seconds', () => {
    expect(formatStep(1250)).toBe('+1.250 seconds');
    expect(formatStep(-60_004.4)).toBe('-60.004 seconds');
  });
});

describe('a tree of kernel files', () => {
  let root: string | undefined;
  afterEach(() => root !== undefined && rmSync(root, { recursive: true }));

  function tree(files: Record<string, string>): SystemFiles {
    root = mkdtempSync(join(tmpdir(), 'wdock-tree-'));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return new SystemFiles(root);
  }

  it('counts processors that are plugged, not those that firmware announces', async () => {
    const files = tree({
      'sys/devices/system/cpu/online': '0\n',
      'sys/devices/system/cpu/present': '0-63\n',
      'sys/devices/system/cpu/cpu0/uevent': '',
      'sys/devices/system/cpu/cpu1/online': '0\n',
      'sys/devices/system/cpu/cpufreq/x': '',
    });
    expect(await readVcpus(files)).toEqual({ online: 1, present: 2 });
  });

  it('says what did not appear in time, and what the kernel refused', async () => {
    const files = tree({
      'sys/devices/system/cpu/online': '0\n',
      'sys/devices/system/cpu/cpu0/uevent': '',
      'sys/devices/system/cpu/cpu1/uevent': '',
    });
    const { online, problems } = await setOnlineVcpus(files, 4, 120, new AbortController().signal);
    expect(online).toBe(1);
    expect(problems).toEqual([
      'vCPU 1 did not go online: ENOENT',
      '2 of 4 vCPUs did not appear in the guest within 120 ms',
    ]);
  });

  it('stops waiting for processors when it is told to stop', async () => {
    const files = tree({ 'sys/devices/system/cpu/online': '0\n', 'sys/devices/system/cpu/cpu0/uevent': '' });
    const stop = new AbortController();
    const waiting = setOnlineVcpus(files, 2, 60_000, stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it('names the five processes that hold most, without kernel threads and those that ended', async () => {
    const status = (name: string, anonymousKiB: number) =>
      `Name:\t${name}\nRssAnon:\t${anonymousKiB} kB\nRssFile:\t 99999 kB\nRssShmem:\t 1024 kB\n`;
    const processes = Object.fromEntries(
      [10, 900, 30, 500, 70, 60].map((mib, at) => [`proc/${100 + at}/status`, status(`p${mib}`, mib * 1024)]),
    );
    const files = tree({
      ...processes,
      'proc/2/status': 'Name:\tkthreadd\n',
      'proc/3/other': '',
      'proc/meminfo': 'MemTotal:   2048000 kB\nMemAvailable:   1024000 kB\n',
    });
    const memory = await readMemory(files);
    expect(memory.largest.map(({ name, residentMiB }) => [name, residentMiB])).toEqual([
      ['p900', 901],
      ['p500', 501],
      ['p70', 71],
      ['p60', 61],
      ['p30', 31],
    ]);
    expect(memory).toMatchObject({ totalMiB: 2000, availableMiB: 1000, usedMiB: 1000 });
    expect(memory).not.toHaveProperty('pressureSomeAvg10');
  });
});
