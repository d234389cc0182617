import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinLinks, mergeLinks } from '../../../host-plugins/system/host-inventory/join-links.ts';
import { parseProfile } from '../../../host-plugins/system/host-inventory/load-profile.ts';
import { parseEdid } from '../../../host-plugins/system/host-inventory/parse-edid.ts';
import { parseInputDevices } from '../../../host-plugins/system/host-inventory/parse-input-devices.ts';
import { judgePower } from '../../../host-plugins/system/host-inventory/read-power.ts';
import type { NetworkInterface } from '../../../host-plugins/system/network/read-interfaces.ts';

interface EdidParts {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly widthMm: number;
  readonly heightMm: number;
  readonly widthCm?: number;
  readonly heightCm?: number;
  readonly name?: string;
}

/** A base block as VESA E-EDID 1.4 lays it out: header, size in cm, one detailed timing, a name, checksum. */
function buildEdid(parts: EdidParts): Uint8Array {
  const edid = new Uint8Array(128);
  edid.set([0, 255, 255, 255, 255, 255, 255, 0]);
  edid.set([parts.widthCm ?? 0, parts.heightCm ?? 0], 21);
  edid.set([0x10, 0x27], 54);
  edid.set([parts.widthPx & 0xff, 0, (parts.widthPx >> 8) << 4], 56);
  edid.set([parts.heightPx & 0xff, 0, (parts.heightPx >> 8) << 4], 59);
  edid.set([parts.widthMm & 0xff, parts.heightMm & 0xff], 66);
  edid.set([((parts.widthMm >> 8) << 4) | (parts.heightMm >> 8)], 68);
  if (parts.name !== undefined) {
    const name = `${parts.name}\n`.padEnd(13, ' ').slice(0, 13);
    edid.set([0, 0, 0, 0xfc, 0, ...Buffer.from(name, 'latin1')], 72);
  }
  edid[127] = (256 - (edid.reduce((sum, byte) => sum + byte, 0) % 256)) % 256;
  return edid;
}

describe('reading an EDID', () => {
  const monitor = buildEdid({
    widthPx: 2560,
    heightPx: 1440,
    widthMm: 597,
    heightMm: 336,
    name: 'DELL U2719D',
  });

  it('refuses what is none: too short, another header, a wrong checksum, no mode', () => {
    expect(parseEdid(new Uint8Array())).toBeUndefined();
    expect(parseEdid(monitor.subarray(0, 127))).toBeUndefined();
    for (const at of [0, 60, 127]) {
      const broken = monitor.slice();
      broken[at] = ((broken[at] ?? 0) + 1) % 256;
      expect(parseEdid(broken)).toBeUndefined();
    }
    expect(parseEdid(buildEdid({ widthPx: 0, heightPx: 0, widthMm: 0, heightMm: 0 }))).toBeUndefined();
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseEdid(bytes)));
  });

  it('reads mode, millimetres and name', () => {
    expect(parseEdid(monitor)).toEqual({
      name: 'DELL U2719D',
      widthPx: 2560,
      heightPx: 1440,
      widthMm: 597,
      heightMm: 336,
    });
  });

  it('does not take an aspect ratio for a size', () => {
    const projector = { widthPx: 1920, heightPx: 1080, widthMm: 160, heightMm: 90, widthCm: 16, heightCm: 9 };
    expect(parseEdid(buildEdid(projector))).toMatchObject({ widthMm: 0, heightMm: 0 });
    const television = { ...projector, widthMm: 0, heightMm: 0, widthCm: 121, heightCm: 68 };
    expect(parseEdid(buildEdid(television))).toMatchObject({ widthMm: 1210, heightMm: 680 });
  });

  it('reads back any mode and size', () => {
    const side = fc.integer({ min: 1, max: 4095 });
    fc.assert(
      fc.property(
        side,
        side,
        fc.integer({ min: 200, max: 4095 }),
        fc.integer({ min: 200, max: 4095 }),
        (w, h, wm, hm) => {
          const parts = { widthPx: w, heightPx: h, widthMm: wm, heightMm: hm };
          expect(parseEdid(buildEdid(parts))).toMatchObject(parts);
        },
      ),
    );
  });
});

describe('power', () => {
  const nothing = {
    type: undefined,
    scope: undefined,
    online: undefined,
    status: undefined,
    capacity: undefined,
  };

  it('is the mains for a computer without a battery, and for one with a mouse that has one', () => {
    expect(judgePower([])).toEqual({ source: 'mains' });
    const mouse = { ...nothing, type: 'Battery', scope: 'Device', status: 'Discharging', capacity: '80' };
    expect(judgePower([mouse])).toEqual({ source: 'mains' });
  });

  it('is the battery only when nothing feeds it', () => {
    const battery = { ...nothing, type: 'Battery', status: 'Discharging', capacity: '63' };
    const mains = { ...nothing, type: 'Mains', online: '1' };
    expect(judgePower([battery])).toEqual({ source: 'battery', percent: 63 });
    expect(judgePower([battery, mains])).toEqual({ source: 'mains', percent: 63 });
    expect(judgePower([{ ...battery, status: 'Full', capacity: 'unknown' }])).toEqual({ source: 'mains' });
  });
});

describe('input devices', () => {
  const powerButton =
    'N: Name="Power Button"\nH: Handlers=kbd event0 \nB: PROP=0\nB: EV=3\nB: KEY=10000000000000 0\n';
  const keyboard = 'N: Name="AT keyboard"\nH: Handlers=sysrq kbd leds event1 \nB: PROP=0\nB: EV=120013\n';
  const touchpad =
    'N: Name="Touchpad"\nH: Handlers=mouse1 event3 \nB: PROP=5\nB: EV=b\nB: ABS=2e0800000000003\n';
  const screen = 'N: Name="ELAN"\nH: Handlers=mouse2 event4 \nB: PROP=2\nB: EV=b\nB: ABS=3273800000000003\n';

  it('do not take a power button for a keyboard', () => {
    expect(parseInputDevices(powerButton)).toEqual({ touch: false, keyboard: false, pointer: false });
    expect(parseInputDevices(`${powerButton}\n${keyboard}`).keyboard).toBe(true);
  });

  it('tell a touch screen from a touch pad', () => {
    expect(parseInputDevices(screen)).toEqual({ touch: true, keyboard: false, pointer: false });
    expect(parseInputDevices(touchpad)).toMatchObject({ touch: false, pointer: true });
  });

  it('are none in an empty or foreign file', () => {
    for (const text of ['', 'B: EV=\nH: Handlers=', 'nonsense']) {
      expect(parseInputDevices(text)).toEqual({ touch: false, keyboard: false, pointer: false });
    }
  });
});

function nic(name: string, changes: Partial<NetworkInterface> = {}): NetworkInterface {
  return {
    name,
    mac: undefined,
    up: true,
    carrier: true,
    loopback: false,
    master: undefined,
    kind: undefined,
    isTap: false,
    spanningTree: false,
    addresses: [],
    ...changes,
  };
}

describe('links', () => {
  const all = [
    nic('lo', { loopback: true, addresses: ['127.0.0.1/8'] }),
    nic('eth0', { master: 'br0' }),
    nic('br0', { kind: 'bridge', addresses: ['10.0.0.2/24', 'fd00::2/64'] }),
    nic('wlan0', { addresses: ['10.1.0.7/16'] }),
    nic('eth1', { carrier: false, addresses: ['10.2.0.1/24'] }),
    nic('eth2'),
    nic('wd-work', { kind: 'tun', isTap: true }),
    nic('wg0', { kind: 'wireguard', addresses: ['10.9.0.1/24'] }),
    nic('veth7', { kind: 'veth', addresses: ['172.17.0.1/16'] }),
  ];

  it('are what leads to a LAN now: no loopback, tunnels, guests, dead or unaddressed interfaces', () => {
    expect(joinLinks(all, new Set(['wlan0']))).toEqual([
      {
        name: 'eth0',
        kind: 'ethernet',
        bridge: 'br0',
        canBridge: true,
        metered: false,
        addresses: ['10.0.0.2/24', 'fd00::2/64'],
      },
      { name: 'wlan0', kind: 'wifi', canBridge: false, metered: false, addresses: ['10.1.0.7/16'] },
    ]);
  });

  it('begin with the configured uplink, also a virtual one', () => {
    expect(joinLinks(all, new Set(), { uplink: 'veth7' })[0]).toMatchObject({
      name: 'veth7',
      addresses: ['172.17.0.1/16'],
    });
  });

  it('of a profile file get the addresses that the interfaces really have', () => {
    const claimed = [
      {
        name: 'eth0',
        kind: 'ethernet' as const,
        bridge: 'br0',
        canBridge: true,
        metered: false,
        addresses: ['1.2.3.4/8'],
      },
      { name: 'wlan9', kind: 'wifi' as const, canBridge: false, metered: true, addresses: ['1.2.3.5/8'] },
    ];
    expect(mergeLinks(claimed, all).map(({ name, addresses }) => [name, addresses])).toEqual([
      ['eth0', ['10.0.0.2/24', 'fd00::2/64']],
      ['wlan9', []],
    ]);
  });
});

describe('a profile file', () => {
  const good = `deviceClass: mid
cpus: { logical: 1, model: Atom }
memory: { totalMiB: 1024 }
displays:
  - { name: panel, widthPx: 1024, heightPx: 600, widthMm: 125, heightMm: 73, internal: true }
links:
  - { name: wlan0, kind: wifi, canBridge: false }
power: { source: battery, percent: 70 }
input: { touch: true, keyboard: false, pointer: false }
disk: { freeMiB: 4000 }
`;

  it('names every mistake with line and column', () => {
    const bad = good.replace('totalMiB: 1024', 'totalMiB: little').replace('kind: wifi', 'kind: wlan');
    let thrown: unknown;
    try {
      parseProfile(bad, 'mid.yaml');
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      kind: 'config-invalid',
      detail: {
        faults: [
          { file: 'mid.yaml', line: 3, path: 'memory.totalMiB' },
          { file: 'mid.yaml', line: 7, path: 'links[0].kind' },
        ],
      },
    });
  });

  it('is simulated, whatever it says', () => {
    expect(parseProfile(`${good}simulated: false\n`, 'mid.yaml')).toMatchObject({
      simulated: true,
      links: [{ name: 'wlan0', addresses: [] }],
    });
  });
});
