import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseDisplay, type DisplayMode } from '../../../guest-agent/decide/choose-display.ts';
import { chooseServices } from '../../../guest-agent/decide/choose-services.ts';
import { chooseSession } from '../../../guest-agent/decide/choose-session.ts';
import { chooseVcpus } from '../../../guest-agent/decide/choose-vcpus.ts';
import { decideNetworkMode } from '../../../guest-agent/decide/decide-network-mode.ts';

describe('choosing processors', () => {
  it('never switches cpu0 off, and whatever is asked leaves as many online as are wanted and there', () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 63 }), { maxLength: 20 });
    fc.assert(
      fc.property(numbers, fc.nat(), fc.integer({ min: 1, max: 64 }), (hotPlugged, mask, wanted) => {
        const present = [0, ...hotPlugged];
        const online = present.filter((cpu, at) => cpu === 0 || ((mask >>> (at % 31)) & 1) === 1);
        const switches = chooseVcpus(present, online, wanted);
        const after = new Set(
          [...online, ...switches.online].filter((cpu) => !switches.offline.includes(cpu)),
        );
        expect(after.has(0)).toBe(true);
        expect(after.size).toBe(Math.min(wanted, present.length));
        expect(switches.missing).toBe(Math.max(0, wanted - present.length));
      }),
    );
  });

  it('lets the highest numbers go first, as hosts unplug the highest slots first', () => {
    expect(chooseVcpus([0, 1, 2, 3], [0, 1, 2, 3], 2).offline).toEqual([3, 2]);
  });

  it('says how many are still to be plugged', () => {
    expect(chooseVcpus([0, 1], [0], 4)).toEqual({ online: [1], offline: [], missing: 2 });
  });
});

const mode = (widthPx: number, heightPx: number, refreshHz = 60, scales = [1, 2]): DisplayMode => ({
  id: `${widthPx}x${heightPx}@${refreshHz}`,
  widthPx,
  heightPx,
  refreshHz,
  scales,
});
const wish = (widthPx: number, heightPx: number, scale = 1) => ({
  widthPx,
  heightPx,
  widthMm: 0,
  heightMm: 0,
  scale,
});

describe('choosing a display mode', () => {
  it('has nothing to choose from without modes', () => {
    expect(chooseDisplay([], wish(1024, 600))).toBeUndefined();
  });

  it('says so where the wished size is not offered, and takes the largest that fits inside it', () => {
    const choice = chooseDisplay([mode(800, 600), mode(1920, 1080), mode(1024, 768)], wish(1280, 1024));
    expect(choice?.mode.id).toBe('1024x768@60');
    expect(choice?.problems).toEqual(['the compositor offers no mode of 1280x1024; it got 1024x768']);
  });

  it('takes the smallest where even that is too large', () => {
    expect(chooseDisplay([mode(1920, 1080), mode(1024, 768)], wish(640, 480))?.mode.id).toBe('1024x768@60');
  });

  it('takes the highest refresh rate of the wished size', () => {
    const choice = chooseDisplay([mode(2560, 1440, 60), mode(2560, 1440, 75)], wish(2560, 1440));
    expect(choice).toMatchObject({ mode: { refreshHz: 75 }, problems: [] });
  });

  it('takes the nearest scale, the smaller of two, and says where that is not what was wished', () => {
    const choice = chooseDisplay([mode(2560, 1440, 60, [1, 2, 3])], wish(2560, 1440, 1.5));
    expect(choice?.scale).toBe(1);
    expect(choice?.problems[0]).toMatch(/no scale of 1\.5 for 2560x1440 \(it has 1, 2, 3\); it got 1/);
  });

  it('counts a scale that the compositor rounded as the one that was wished', () => {
    expect(chooseDisplay([mode(2560, 1440, 60, [1, 1.2549019])], wish(2560, 1440, 1.25))?.problems).toEqual(
      [],
    );
  });
});

describe('telling how the network is attached', () => {
  const told = { mode: 'routed', hostMac: '02:00:00:00:00:01' } as const;

  it.each([
    ['no host has spoken', undefined, '02:00:00:00:00:01'],
    ['the host did not say its hardware address', { mode: 'routed' } as const, '02:00:00:00:00:01'],
    ['no gateway answers', told, undefined],
  ])('does not guess while %s', (_, say, gatewayMac) => {
    expect(decideNetworkMode(gatewayMac, say)).toHaveProperty('unknownBecause');
  });

  it('is bridged where the gateway is another machine than the host, whatever the host said', () => {
    expect(decideNetworkMode('52:54:00:12:34:56', told)).toEqual({ mode: 'bridged' });
  });

  it('is routed where the gateway is the end of the tap, whatever the host said', () => {
    expect(decideNetworkMode('02:00:00:00:00:01', { ...told, mode: 'bridged' })).toEqual({ mode: 'routed' });
    expect(
      decideNetworkMode('02:00:00:00:00:01', { ...told, hostMac: '02:00:00:00:00:01'.toUpperCase() }),
    ).toEqual({
      mode: 'routed',
    });
  });

  it('believes the host that it translates addresses, which cannot be seen from inside', () => {
    expect(decideNetworkMode('02:00:00:00:00:01', { ...told, mode: 'nat' })).toEqual({ mode: 'nat' });
  });
});

describe('choosing services that sleep', () => {
  it.each([
    'wireless-dock-agent.service',
    'wireless-dock-agent-session.service',
    'dbus.service',
    'dbus-broker.service',
    'systemd-logind.service',
    'NetworkManager.service',
    '-.slice',
    'system.slice',
    'user.slice',
    'init.scope',
  ])('never freezes %s, on which waking the others up depends', (unit) => {
    expect(chooseServices([unit], [])).toMatchObject({
      freeze: [],
      problems: [expect.stringContaining(unit)],
    });
  });

  it('refuses what is no name of a unit with processes', () => {
    for (const unit of ['fstrim.timer', 'a b.service', '../x.service', '', 'sshd'])
      expect(chooseServices([unit], []).freeze).toEqual([]);
  });

  it('thaws all that it froze and that no longer shall sleep, and nothing else', () => {
    const change = chooseServices(['a.service', 'a.service', 'b@1.service'], ['a.service', 'old.service']);
    expect(change).toEqual({ freeze: ['a.service', 'b@1.service'], thaw: ['old.service'], problems: [] });
  });
});

describe('choosing the session whose screen counts', () => {
  const known = [
    { name: ':1.5', uid: 1000 },
    { name: ':1.9', uid: 1001 },
  ];

  it('does not let a user speak who is not at the seat', () => {
    expect(chooseSession(known, 1002)).toBeUndefined();
  });

  it('takes that of the user at the seat, and the last to come where nobody knows who that is', () => {
    expect(chooseSession(known, 1000)?.name).toBe(':1.5');
    expect(chooseSession(known, undefined)?.name).toBe(':1.9');
    expect(chooseSession([], undefined)).toBeUndefined();
  });
});
