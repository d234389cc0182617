import { describe, expect, it } from 'vitest';
import { choose } from '../../../policies/choose/choose.ts';
import type { ChoiceContext } from '../../../policies/choose/host-conditions.ts';
import { parsePolicy } from '../../../policies/language/parse-policy.ts';
import { loadPolicyLayers } from '../../../policies/load-policies.ts';
import { DockError } from '../../../protocol/dock-error.ts';
import { deviceClasses, type HostProfile } from '../../../protocol/host-profile.ts';
import { mobileDevice, officePc, smallMachine } from './example-hosts.ts';

const chosen = (
  text: string,
  profile: HostProfile = officePc,
  context: ChoiceContext = {},
  machine = smallMachine,
) => choose([parsePolicy(`version: 1\n${text}`, 'p.yaml')], profile, machine, context);

/** `value <- rule: because` of every decision about a thing. */
const story = ({ decisions }: ReturnType<typeof choose>, what: string) =>
  decisions.filter((one) => one.what === what).map((one) => `${one.value} <- ${one.rule}: ${one.because}`);

describe('a host that cannot give what the policy wishes', () => {
  it('is refused where even the base memory does not fit, with the numbers and the rule', () => {
    const machine = { ...smallMachine, baseMemoryMiB: 1024 };
    try {
      chosen('memory:\n  leave: 192 MiB\n', mobileDevice, {}, machine);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(DockError);
      expect(error).toMatchObject({
        kind: 'does-not-fit',
        detail: { neededMiB: 1024, offeredMiB: 832, missingMiB: 192 },
      });
      expect((error as DockError).message).toContain('192 MiB (p.yaml:3 memory.leave)');
    }
  });

  it('gives less than a minimum that it does not have, and says so', () => {
    const choice = chosen('memory: { min: 12 GiB, leave: 1 GiB }\nvcpus: { min: 8 }\n');
    expect(choice.allocation).toMatchObject({ vcpus: 4, memoryMiB: 7168 });
    expect(story(choice, 'vcpus')).toEqual([
      "4 <- built-in: 100% of the host's 4 CPUs",
      '8 <- p.yaml:3 vcpus.min: at least 8',
      '4 <- the host: it has 4 CPUs',
    ]);
    expect(story(choice, 'memory')).toEqual([
      "4096 MiB <- built-in: 50% of the host's 8192 MiB",
      '12288 MiB <- p.yaml:2 memory.min: at least 12288 MiB',
      '8192 MiB <- the host: it has 8192 MiB',
      '7168 MiB <- p.yaml:2 memory.leave: 1024 of 8192 MiB stay with the host',
    ]);
  });

  it('never takes a workspace beyond what its machine was made for', () => {
    const machine = { ...smallMachine, maxVcpus: 2, maxPluggedMemoryMiB: 1024 };
    const choice = chosen('', officePc, {}, machine);
    expect(choice.allocation).toMatchObject({ vcpus: 2, memoryMiB: 1536 });
    expect(story(choice, 'vcpus').at(-1)).toBe("2 <- the workspace's machine: it was made for at most 2");
  });

  it('keeps at least one vCPU, whatever the policy leaves to the host', () => {
    expect(chosen('vcpus: { share: 0%, leave: 9 }').allocation.vcpus).toBe(1);
  });

  it('takes the maximum where two layers contradict each other', () => {
    const layers = ['vcpus: { max: 2 }', 'vcpus: { min: 3 }'].map((text, index) =>
      parsePolicy(`version: 1\n${text}`, `layer${index}.yaml`),
    );
    expect(choose(layers, officePc, smallMachine).allocation.vcpus).toBe(2);
  });
});

type Link = HostProfile['links'][number];

describe('the network', () => {
  const wifi: Link = {
    name: 'wlan0',
    kind: 'wifi',
    canBridge: false,
    metered: false,
    addresses: ['10.0.0.2/24'],
  };
  const wired: Link = {
    name: 'eth0',
    kind: 'ethernet',
    canBridge: true,
    metered: false,
    addresses: ['10.0.0.3/24'],
  };
  const on = (...links: HostProfile['links']): HostProfile => ({ ...officePc, links });

  it('is not bridged over Wi-Fi, and the reason is told', () => {
    const choice = chosen('network: { prefer: [bridged, routed] }', mobileDevice);
    expect(choice.allocation.network).toEqual({ mode: 'routed', link: 'wlan0', metered: false });
    expect(story(choice, 'network.mode')[0]).toBe(
      'not bridged <- p.yaml:2 network.prefer: wlan0 is Wi-Fi, which cannot be bridged',
    );
  });

  it('is not bridged where the wired link is in no bridge', () => {
    const choice = chosen('', on(wired));
    expect(choice.allocation.network.mode).toBe('routed');
    expect(story(choice, 'network.mode')[0]).toContain('eth0 is not in a bridge');
  });

  it('is not bridged where a bridge cannot be made, and the reason is told', () => {
    const leased: Link = { ...wired, newBridge: { possible: false, why: 'its address is a lease' } };
    expect(story(chosen('', on(leased)), 'network.mode')[0]).toContain(
      'eth0 is not in a bridge; its address is a lease',
    );
  });

  it('has a port of its own on a wired link that the policy leaves alone, and reaches no port of its host', () => {
    const free: Link = { ...wired, newBridge: { possible: true, name: 'wdbr2' } };
    const choice = chosen('network: { bridge: existing, open: [tcp/22] }', on(free));
    const network = { mode: 'bridged', beside: true, link: 'eth0', metered: false };
    expect(choice.allocation.network).toEqual(network);
    expect(story(choice, 'network.bridge')[0]).toMatch(
      /^none <- p.yaml:2 network.bridge: eth0 is left as it is/,
    );
    expect(story(choice, 'network.open')[0]).toMatch(/^none/);
    const bridged = chosen('network: { bridge: existing }', on({ ...wired, bridge: 'br0' }));
    expect(bridged.allocation.network).not.toHaveProperty('beside');
    expect(chosen('network: { bridge: existing }', mobileDevice).allocation.network.mode).toBe('routed');
  });

  it('is bridged over a wired link that is in no bridge where one can be made', () => {
    const choice = chosen('', on({ ...wired, newBridge: { possible: true, name: 'wdbr2' } }));
    expect(choice.allocation.network).toMatchObject({ mode: 'bridged', link: 'eth0' });
    expect(story(choice, 'network.bridge')).toEqual([
      'make <- built-in: eth0 is in none; it is made without going offline',
    ]);
  });

  it('falls back to NAT where no preferred mode works', () => {
    const choice = chosen('network: { prefer: [bridged] }', on(wifi));
    expect(choice.allocation.network).toEqual({ mode: 'nat', metered: false });
    expect(story(choice, 'network.mode').at(-1)).toContain('last resort');
  });

  it('has a mode without any link, for the guest on the subway', () => {
    const choice = chosen('', on());
    expect(choice.allocation.network).toEqual({ mode: 'routed', metered: false });
    expect(story(choice, 'network.mode').at(-1)).toContain('reaches this host only');
  });

  it('takes a free link before one that is paid by volume, though that could be bridged', () => {
    const paid = { ...wired, bridge: 'br0', metered: true };
    expect(chosen('', on(paid, wifi)).allocation.network).toMatchObject({ mode: 'routed', link: 'wlan0' });
  });

  it('takes the cable before Wi-Fi, and a link with an address before one without', () => {
    expect(chosen('', on(wifi, wired)).allocation.network.link).toBe('eth0');
    expect(chosen('', on(wifi, { ...wired, addresses: [] })).allocation.network.link).toBe('wlan0');
    expect(chosen('network: { links: [wifi] }', on(wifi, wired)).allocation.network.link).toBe('wlan0');
  });

  it('opens the ports of the host that the policy names, and else none', () => {
    const choice = chosen('network: { open: [tcp/22, udp/53] }');
    expect(choice.allocation.network.open).toEqual(['tcp/22', 'udp/53']);
    expect(story(choice, 'network.open')).toEqual([
      'tcp/22, udp/53 <- p.yaml:2 network.open: as written; the port of wdockd stays closed',
    ]);
    expect(chosen('').allocation.network.open).toBeUndefined();
  });

  it('is NAT, whatever is preferred, where the guest is kept out of the LAN', () => {
    const choice = chosen('network: { prefer: [bridged, routed], reach: internet }');
    expect(choice.allocation.network).toMatchObject({ mode: 'nat', link: 'eth0', reach: 'internet' });
    expect(story(choice, 'network.reach')).toEqual([
      'internet <- p.yaml:2 network.reach: the LAN is closed to the guest, which only nat can do',
    ]);
    expect(chosen('').allocation.network).not.toHaveProperty('reach');
  });

  it('forwards the ports that the policy names, and says where that is for nothing', () => {
    const choice = chosen('network: { prefer: [nat], forward: [tcp/8080:80] }');
    expect(choice.allocation.network).toMatchObject({ mode: 'nat', forward: ['tcp/8080:80'] });
    expect(story(choice, 'network.forward')).toEqual(['tcp/8080:80 <- p.yaml:2 network.forward: as written']);
    const reached = chosen('network: { prefer: [routed], forward: [tcp/8080:80] }');
    expect(story(reached, 'network.forward')[0]).toContain('not needed: routed');
  });

  it('keeps the addresses of a guest that leaves for twelve hours, or as the policy says', () => {
    expect(chosen('').anchor).toEqual({ use: 'always', forMs: 12 * 60 * 60_000, rule: 'built-in' });
    const choice = chosen('network: { anchor: never, anchorFor: 2 h }');
    expect(choice.anchor).toEqual({ use: 'never', forMs: 2 * 60 * 60_000, rule: 'p.yaml:2 network.anchor' });
    expect(story(chosen('network: { anchorFor: 2 h }'), 'network.anchor')).toEqual([
      'always <- built-in: connections stay open for at most 2 h after it has left for another network',
    ]);
  });

  it('is metered as the link is, unless the policy says otherwise', () => {
    const paid = on({ ...wifi, metered: true });
    expect(chosen('', paid).allocation.network.metered).toBe(true);
    expect(chosen('network: { metered: never }', paid).allocation.network.metered).toBe(false);
    expect(chosen('network: { metered: always }').allocation.network.metered).toBe(true);
  });
});

describe('the display', () => {
  const panel = { name: 'eDP-1', widthPx: 3840, heightPx: 2160, widthMm: 309, heightMm: 174, internal: true };
  const monitor = {
    name: 'DP-1',
    widthPx: 2560,
    heightPx: 1440,
    widthMm: 597,
    heightMm: 336,
    internal: false,
  };
  const projector = {
    name: 'HDMI-1',
    widthPx: 1920,
    heightPx: 1080,
    widthMm: 0,
    heightMm: 0,
    internal: false,
  };
  const on = (...displays: HostProfile['displays']): HostProfile => ({ ...officePc, displays });

  it('is left alone where the host has none, or none that a guest can drive', () => {
    expect(chosen('', on()).allocation.display).toBeUndefined();
    const tiny = { ...panel, widthPx: 128, heightPx: 64 };
    const choice = chosen('', on(tiny));
    expect(choice.allocation.display).toBeUndefined();
    expect(story(choice, 'display.mode')[0]).toContain('128x64 is too small');
    expect(chosen('display: { use: none }').allocation.display).toBeUndefined();
  });

  it('is the largest to look at, not the one with most pixels', () => {
    expect(chosen('', on(panel, monitor)).allocation.display?.widthPx).toBe(2560);
    expect(chosen('', on(panel, projector)).allocation.display).toMatchObject({ widthPx: 1920, scale: 1 });
  });

  it('is another one where the kind that was asked for is not connected', () => {
    const choice = chosen('display: { use: external }', on(panel));
    expect(choice.allocation.display?.widthPx).toBe(3840);
    expect(story(choice, 'display.mode')[0]).toContain('no external display is connected; eDP-1');
  });

  it.each([
    [
      'a MID panel, too low for more',
      1024,
      600,
      125,
      73,
      1,
      '1.5 would be nearest to 135 dpi, but would leave less than 800x480',
    ],
    ['a 27 inch monitor', 2560, 1440, 597, 336, 1, '109 dpi on 27.0 inches: nearest to 110 dpi'],
    ['a 27 inch 4K monitor', 3840, 2160, 597, 336, 1.5, 'nearest to 110 dpi'],
    ['a 14 inch 4K panel', 3840, 2160, 309, 174, 2.5, 'whole pixels'],
    ['a 14 inch 1920x1200 panel', 1920, 1200, 302, 188, 1.25, 'nearest to 135 dpi'],
    ['a 14 inch 1366x768 panel', 1366, 768, 309, 174, 1, 'nearest to 135 dpi'],
    ['a tall tablet', 1600, 2560, 136, 217, 2, 'nearest to 135 dpi'],
    ['a projector', 1920, 1080, 0, 0, 1, 'does not tell its size'],
    ['a television that tells 16:9', 3840, 2160, 160, 90, 1, 'ratio of its sides'],
  ])('%s gets a comfortable scale and says why', (_, widthPx, heightPx, widthMm, heightMm, scale, why) => {
    const choice = chosen('', on({ name: 'x', widthPx, heightPx, widthMm, heightMm, internal: true }));
    expect(choice.allocation.display).toEqual({ widthPx, heightPx, widthMm, heightMm, scale });
    expect(story(choice, 'display.scale')[0]).toContain(why);
  });

  it('takes a scale as written', () => {
    expect(chosen('display: { scale: 1.75 }').allocation.display?.scale).toBe(1.75);
  });
});

describe('layers and conditions', () => {
  it('let the later layer win, key by key, and name the line that won', () => {
    const layers = [
      parsePolicy('version: 1\nvcpus:\n  share: 50%\n  max: 3\n', 'class.yaml'),
      parsePolicy('version: 1\nvcpus:\n  share: 25%\n', 'workspace.yaml'),
    ];
    const choice = choose(layers, { ...officePc, cpus: { logical: 16, model: 'x' } }, smallMachine);
    expect(choice.allocation.vcpus).toBe(3);
    expect(story(choice, 'vcpus')).toEqual([
      "4 <- workspace.yaml:3 vcpus.share: 25% of the host's 16 CPUs",
      '3 <- class.yaml:4 vcpus.max: at most 3',
    ]);
  });

  it('apply in order, the last that holds wins, and each says whether and why', () => {
    const text = [
      'when:',
      '  - if: { power: battery }',
      '    power: { battery: balanced }',
      '  - if: { power: battery, batteryBelow: 50% }',
      '    power: { battery: performance }',
    ].join('\n');
    const choice = chosen(text, mobileDevice);
    expect(choice.allocation.power.profile).toBe('balanced');
    expect(story(choice, 'when')).toEqual([
      'applies <- p.yaml:3 when[0]: power is battery',
      'does not apply <- p.yaml:5 when[1]: the battery has 63%',
    ]);
    expect(story(choice, 'power.profile')[0]).toContain('p.yaml:4 power.battery');
  });

  it.each<[string, HostProfile, ChoiceContext, boolean]>([
    ['power: mains', officePc, {}, true],
    ['power: mains', mobileDevice, {}, false],
    ['batteryBelow: 64%', mobileDevice, {}, true],
    ['batteryBelow: 64%', officePc, {}, false],
    ['display: external', officePc, {}, true],
    ['display: [none, internal]', officePc, {}, false],
    ['display: none', { ...officePc, displays: [] }, {}, true],
    ['link: ethernet', officePc, {}, true],
    ['link: wifi', mobileDevice, {}, true],
    ['link: none', { ...mobileDevice, links: [] }, {}, true],
    [
      'metered: true',
      { ...mobileDevice, links: mobileDevice.links.map((l) => ({ ...l, metered: true })) },
      {},
      true,
    ],
    ['metered: false', { ...mobileDevice, links: [] }, {}, true],
    ['class: [laptop, desktop]', officePc, {}, true],
    ['device: office', officePc, { deviceName: 'office' }, true],
    ['device: office', officePc, {}, false],
    ['trust: untrusted', { ...officePc, deviceClass: 'kiosk' }, {}, true],
    ['trust: untrusted', officePc, {}, false],
    ['trust: untrusted', officePc, { trust: 'untrusted' }, true],
    ['power: mains, link: wifi', officePc, {}, false],
  ])('condition { %s } is decided by the facts (%#)', (condition, profile, context, holds) => {
    const choice = chosen(`when: [{ if: { ${condition} }, vcpus: { max: 1 } }]`, profile, context);
    expect(choice.decisions[0]?.value).toBe(holds ? 'applies' : 'does not apply');
    expect(story(choice, 'vcpus').some((line) => line.includes('vcpus.max'))).toBe(
      holds && profile.cpus.logical > 1,
    );
  });

  it('add up the units that sleep, and let a later layer keep one awake', () => {
    const layers = [
      parsePolicy('version: 1\nservices: { sleep: [a.service, b.service] }', 'class.yaml'),
      parsePolicy(
        'version: 1\nservices: { sleep: [wdock-background.service], awake: [a.service] }',
        'ws.yaml',
      ),
    ];
    const choice = choose(layers, officePc, smallMachine);
    expect(choice.allocation.services.sleep).toEqual(['b.service', 'wdock-background.service']);
    expect(story(choice, 'services.awake')).toEqual([
      'a.service <- ws.yaml:2 services.awake: runs on this device',
    ]);
  });
});

describe('the shipped policies', () => {
  const shipped = async (profile: HostProfile) =>
    choose(
      await loadPolicyLayers({ folders: [], deviceClass: profile.deviceClass }, AbortSignal.timeout(5000)),
      profile,
      smallMachine,
    );

  it('make a small machine on the mobile device', async () => {
    expect((await shipped(mobileDevice)).allocation).toMatchObject({
      vcpus: 1,
      memoryMiB: 768,
      display: { widthPx: 1024, heightPx: 600, widthMm: 125, heightMm: 73, scale: 1 },
      network: { mode: 'routed', link: 'wlan0', metered: false },
      power: { profile: 'power-saver' },
      input: { onScreenKeyboard: true },
    });
  });

  it('make a big machine on the PC', async () => {
    expect((await shipped(officePc)).allocation).toEqual({
      vcpus: 4,
      memoryMiB: 4914,
      display: { widthPx: 2560, heightPx: 1440, widthMm: 597, heightMm: 336, scale: 1 },
      network: { mode: 'bridged', link: 'eth0', metered: false },
      services: { sleep: [] },
      power: { profile: 'performance' },
      input: { onScreenKeyboard: false },
    });
  });

  it.each(deviceClasses)('decide for both hosts of the story: %s', async (deviceClass) => {
    for (const profile of [mobileDevice, officePc]) {
      expect((await shipped({ ...profile, deviceClass })).allocation.memoryMiB).toBeGreaterThanOrEqual(512);
    }
  });
});
