import { describe, expect, it } from 'vitest';
import {
  chooseNetworkSettings,
  type NetworkSituation,
  type NetworkWish,
} from '../../../guest-agent/decide/choose-network-settings.ts';

const hostMac = '02:00:00:00:00:01';
const hostLinkLocal = 'fe80::ff:fe00:1';

const wish = (changes: Partial<NetworkWish> = {}): NetworkWish => ({
  mode: 'bridged',
  metered: false,
  hostMac,
  lan: 'same',
  dhcp: false,
  keep: [],
  ...changes,
});

const present4 = {
  addresses: [{ address: '10.77.0.50', prefix: 24 }],
  gateway: '10.77.0.1',
  nameservers: ['10.77.0.1'],
  searches: [],
};
const present6 = {
  addresses: [
    { address: 'fd77::50', prefix: 64 },
    { address: 'fd77::1000', prefix: 128 },
  ],
  gateway: 'fe80::1',
  nameservers: ['fd77::1', 'fe80::1'],
  searches: ['example.org'],
};

type Changes = { [F in 'ip4' | 'ip6']?: Partial<NetworkSituation[F]> };
const leased = ({ ip4, ip6 }: Changes = {}): NetworkSituation => ({
  ip4: { present: present4, savedMethod: 'auto', method: 'auto', fixed: [], hasLease: true, ...ip4 },
  ip6: { present: present6, savedMethod: 'auto', method: 'auto', fixed: [], ...ip6 },
});

/** The one change, where there has to be one. */
const only = (...args: Parameters<typeof chooseNetworkSettings>) => {
  const changes = chooseNetworkSettings(...args);
  expect(changes).toHaveLength(1);
  return changes[0] as (typeof changes)[number];
};

describe('choosing network settings on the same LAN', () => {
  it('leaves a fixed address, a family that is switched off and a device without address as the profile has them', () => {
    const routed = wish({ mode: 'routed' });
    const saved = { kind: 'saved', beside: [] };
    for (const ip of [
      { savedMethod: 'manual' },
      { savedMethod: 'disabled', present: undefined },
      { present: undefined },
      { present: { ...present6, addresses: [] } },
    ])
      expect(only(routed, leased({ ip4: ip, ip6: ip }))).toMatchObject({ ip4: saved, ip6: saved });
  });

  it('keeps IPv4 without DHCP where the host routes and relays nothing', () => {
    for (const mode of ['routed', 'nat'] as const)
      expect(only(wish({ mode }), leased()).ip4).toEqual({ kind: 'kept', present: present4, routed: [] });
  });

  it('lets the lease go on where the host relays DHCP', () => {
    expect(only(wish({ mode: 'routed', dhcp: true }), leased()).ip4).toEqual({ kind: 'unchanged' });
  });

  it('keeps IPv6 where the host routes, with everything through the link-local address of its tap', () => {
    expect(only(wish({ mode: 'routed', dhcp: true }), leased()).ip6).toEqual({
      kind: 'kept',
      present: { ...present6, gateway: hostLinkLocal, nameservers: ['fd77::1'] },
      routed: [{ address: 'fd77::', prefix: 64 }],
    });
  });

  describe('where the host routes and what the LAN gave is good for an hour', () => {
    const routed = wish({ mode: 'routed', dhcp: true });
    const nameservers = ['fd77::1'];
    const good = (ip6: Partial<NetworkSituation['ip6']> = {}): NetworkSituation =>
      leased({ ip6: { present: { ...present6, nameservers }, goodForMs: 3_600_000, ...ip6 } });

    it('leaves IPv6 as it is, with ways through the host, for as long as its servers are good', () => {
      expect(only(routed, good()).ip6).toEqual({
        kind: 'led',
        gateway: hostLinkLocal,
        routed: [{ address: 'fd77::', prefix: 64 }],
        forMs: 600_000,
      });
    });

    it('does so for half the time that the addresses are good, and not for less than it is worth', () => {
      expect(only(routed, good({ goodForMs: 100_000 })).ip6).toMatchObject({ kind: 'led', forMs: 50_000 });
      expect(only(routed, good({ goodForMs: 39_000 })).ip6.kind).toBe('kept');
    });

    it('does so with fixed addresses of its own beside', () => {
      expect(only(routed, good({ fixed: present6.addresses })).ip6.kind).toBe('led');
    });

    it('does so where a server of IPv6 is there for the link only, if there is one of IPv4 to be asked first', () => {
      const ofLink = good({ present: { ...present6, nameservers: ['fd77::1', 'fe80::1'] } });
      expect(only(routed, ofLink).ip6.kind).toBe('led');
      for (const present of [undefined, { ...present4, nameservers: [] }])
        expect(only(routed, { ...ofLink, ip4: { ...ofLink.ip4, present } }).ip6.kind).toBe('kept');
    });

    it('keeps them at once where that would lose something', () => {
      for (const situation of [
        { method: 'manual', fixed: present6.addresses },
        { fixed: [{ address: 'fd01::9', prefix: 128 }] },
      ])
        expect(only(routed, good(situation)).ip6.kind).toBe('kept');
      expect(only({ ...routed, keep: ['fd01::9'] }, good()).ip6.kind).toBe('kept');
      // IPv4 has to be changed, and NetworkManager then does both.
      expect(only({ ...routed, dhcp: false }, good()).ip6.kind).toBe('kept');
      expect(
        only(
          { ...routed, hostMac: undefined },
          good({ present: { ...present6, gateway: undefined, nameservers } }),
        ).ip6.kind,
      ).toBe('kept');
    });
  });

  it('keeps addresses beside what the LAN gives until it has given them, coming back to a bridge', () => {
    const kept = leased({
      ip4: { method: 'manual', fixed: present4.addresses, hasLease: false },
      ip6: { method: 'manual', fixed: present6.addresses },
    });
    expect(only(wish(), kept)).toEqual({
      metered: 2,
      mtu: undefined,
      ip4: { kind: 'renewed', addresses: present4.addresses, gateway: '10.77.0.1', beside: [] },
      ip6: { kind: 'renewed', addresses: present6.addresses, gateway: undefined, beside: [] },
    });
  });

  it('changes nothing on a bridge where the LAN has given all', () => {
    expect(only(wish(), leased())).toMatchObject({ ip4: { kind: 'unchanged' }, ip6: { kind: 'unchanged' } });
  });

  it('keeps the order of the connection in use, so that asking twice changes nothing', () => {
    const fixed = [...present6.addresses].reverse();
    const chosen = only(wish({ mode: 'routed' }), leased({ ip6: { method: 'manual', fixed } })).ip6;
    expect(chosen).toMatchObject({ present: { addresses: fixed } });
  });
});

describe('choosing network settings with addresses of another LAN', () => {
  const keep = ['10.1.0.9', 'fd01::9'];
  const keep4 = [{ address: '10.1.0.9', prefix: 32 }];
  const keep6 = [{ address: 'fd01::9', prefix: 128 }];

  it('first drops all but those, then asks the new LAN with those beside', () => {
    expect(chooseNetworkSettings(wish({ lan: 'other', keep }), leased())).toMatchObject([
      { ip4: { kind: 'only', addresses: keep4 }, ip6: { kind: 'only', addresses: keep6 } },
      { ip4: { kind: 'asked', beside: keep4 }, ip6: { kind: 'asked', beside: keep6 } },
    ]);
  });

  it('gives those a way through a host that routes, where no router advertises itself', () => {
    const [, asked] = chooseNetworkSettings(
      wish({ lan: 'other', mode: 'routed', dhcp: true, keep }),
      leased(),
    );
    expect(asked).toMatchObject({
      ip4: { kind: 'asked', beside: keep4 },
      ip6: { kind: 'kept', present: { addresses: keep6, gateway: hostLinkLocal } },
    });
  });

  it('does not take an address that a person has fixed away', () => {
    const manual = leased({ ip4: { savedMethod: 'manual', method: 'manual', fixed: present4.addresses } });
    for (const change of chooseNetworkSettings(wish({ lan: 'other', keep }), manual))
      expect(change.ip4).toEqual({ kind: 'saved', beside: keep4 });
  });

  it('lets them go when they are named no more, and what the new LAN gave stays all the time', () => {
    const settled = leased({
      ip4: { present: { ...present4, addresses: [...keep4, ...present4.addresses] }, fixed: keep4 },
      ip6: { present: { ...present6, addresses: [...keep6, ...present6.addresses] }, fixed: keep6 },
    });
    expect(only(wish({ keep }), settled, keep)).toMatchObject({
      ip4: { kind: 'unchanged' },
      ip6: { kind: 'unchanged' },
    });
    expect(only(wish(), settled, keep)).toMatchObject({
      ip4: { kind: 'saved', beside: [] },
      ip6: { kind: 'renewed', addresses: present6.addresses, beside: [] },
    });
  });

  it('knows an address however it is written', () => {
    const settled = leased({
      ip6: { present: { ...present6, addresses: [...keep6, ...present6.addresses] }, fixed: keep6 },
    });
    const written = ['fd01:0:0:0::0009'];
    expect(only(wish({ keep: written }), settled, keep).ip6).toEqual({ kind: 'unchanged' });
  });
});
