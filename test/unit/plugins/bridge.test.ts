import { describe, expect, it } from 'vitest';
import { buildCarryOver } from '../../../host-plugins/system/bridge/carry-over.ts';
import { judgeLink, type LinkSituation } from '../../../host-plugins/system/bridge/judge-link.ts';
import { buildMaking, buildRepair } from '../../../host-plugins/system/bridge/kernel-batch.ts';
import { parseKernelState } from '../../../host-plugins/system/bridge/kernel-state.ts';
import { bridgeProfile, portProfile } from '../../../host-plugins/system/bridge/managed-profiles.ts';
import { makeVariant, plainDbusValue } from '../../../host-plugins/system/dbus/dbus-value.ts';

const forever = 0xffff_ffff;
const state = parseKernelState(
  JSON.stringify([
    {},
    {
      ifindex: 2,
      ifname: 'eth0',
      address: '52:54:00:00:00:07',
      mtu: 1500,
      addr_info: [
        {
          family: 'inet',
          local: '10.1.2.77',
          prefixlen: 20,
          broadcast: '10.1.15.255',
          scope: 'global',
          valid_life_time: 90,
          preferred_life_time: 60,
        },
        { family: 'inet6', local: 'fd01::7', prefixlen: 64, scope: 'global', valid_life_time: forever },
        { family: 'inet6', local: 'fd01::abcd', prefixlen: 64, scope: 'global', temporary: true },
        { family: 'inet6', local: 'fe80::7', prefixlen: 64, scope: 'link' },
      ],
    },
  ]),
  'default via 10.1.0.1 proto dhcp src 10.1.2.77 metric 100 linkdown \n10.1.0.0/20 proto kernel scope link src 10.1.2.77 \nlocal 10.1.2.77 table local proto kernel scope host\n',
  'default via fe80::1 proto ra metric 100 expires 1790sec pref medium\nmulticast ff00::/8 table local proto kernel metric 256\n',
);

describe('what the kernel has of an interface', () => {
  it('leaves out what the kernel makes by itself, and can be said to ip again', () => {
    expect(state.addresses.map(({ address, validS }) => [address, validS])).toEqual([
      ['10.1.2.77', 90],
      ['fd01::7', undefined],
      ['fd01::abcd', undefined],
    ]);
    expect(state.routes).toEqual([
      { ipv6: false, text: 'default via 10.1.0.1 proto dhcp src 10.1.2.77 metric 100' },
      { ipv6: true, text: 'default via fe80::1 proto ra metric 100 expires 1790 pref medium' },
    ]);
  });
});

describe('the lines that make a bridge', () => {
  const lines = buildMaking('eth0', 'wdbr2', state).trim().split('\n');
  const at = (pattern: RegExp) => lines.findIndex((line) => pattern.test(line));

  it('give the bridge the addresses before the interface joins it, and take them from the interface last', () => {
    expect(at(/^link add name wdbr2 address 52:54:00:00:00:07 .* stp_state 0 forward_delay 0$/)).toBe(0);
    expect(at(/^address replace 10\.1\.2\.77\/20 .* dev wdbr2/)).toBeLessThan(at(/master wdbr2$/));
    expect(at(/^route append .* dev wdbr2$/)).toBeGreaterThan(at(/master wdbr2$/));
    expect(at(/^address delete .* dev eth0$/)).toBeGreaterThan(at(/^route delete .* dev eth0$/));
  });

  it('say of a default route which family it is of: a batch has no option for that', () => {
    expect(lines).toContain(
      'route append 0.0.0.0/0 via 10.1.0.1 proto dhcp src 10.1.2.77 metric 100 dev wdbr2',
    );
    expect(lines).toContain(
      'route append ::/0 via fe80::1 proto ra metric 100 expires 1790 pref medium dev wdbr2',
    );
  });

  it('can be taken back from anywhere: the repair needs none of them done', () => {
    const repair = buildRepair('eth0', 'wdbr2', state);
    expect(repair).toMatch(
      /^address replace 10\.1\.2\.77\/20 broadcast 10\.1\.15\.255 dev eth0 valid_lft 90/,
    );
    expect(repair).toMatch(/link set dev eth0 nomaster\n/);
    expect(repair).toMatch(/link delete dev wdbr2\n$/);
  });
});

describe('what is carried over while NetworkManager asks anew', () => {
  const lines = buildCarryOver(state, 'wdbr2');

  it('ends with the lease that it came with, or within the hour', () => {
    expect(lines).toMatch(/address replace 10\.1\.2\.77\/20 .* valid_lft 90 preferred_lft 60\n/);
    expect(lines).toMatch(/address replace fd01::7\/64 nodad .* valid_lft 3600 preferred_lft 3600\n/);
    expect(lines).not.toMatch(/forever|abcd/);
  });

  it("stands behind NetworkManager's own routes, and has the right subnet", () => {
    expect(lines).toContain('route replace 10.1.0.0/20 dev wdbr2 metric 20000 scope link src 10.1.2.77\n');
    expect(lines).toContain('route replace 0.0.0.0/0 via 10.1.0.1 dev wdbr2 src 10.1.2.77 metric 20000\n');
    expect(lines).toContain('route replace ::/0 via fe80::1 dev wdbr2 metric 20000 expires 3600\n');
  });
});

describe('the profiles of a bridge', () => {
  const names = { link: 'eth0', bridge: 'wdbr2', bridgeProfile: 'b-uuid', portProfile: 'p-uuid' };
  const applied = {
    connection: {
      id: makeVariant('s', 'office'),
      uuid: makeVariant('s', 'o-uuid'),
      type: makeVariant('s', '802-3-ethernet'),
      zone: makeVariant('s', 'work'),
      metered: makeVariant('i', 1),
    },
    '802-3-ethernet': {
      'cloned-mac-address': makeVariant('ay', []),
      'auto-negotiate': makeVariant('b', true),
    },
    ipv4: { method: makeVariant('s', 'auto'), 'route-metric': makeVariant('x', 50n) },
    ipv6: { method: makeVariant('s', 'auto'), 'addr-gen-mode': makeVariant('i', 1) },
  };
  const mac = '52:54:00:00:00:07';

  it("keep the firewall's zone, the metering and the addressing of the connection that is in use", () => {
    const plain = plainDbusValue(bridgeProfile(applied, names, mac, 9000, state.addresses));
    expect(plain).toMatchObject({
      connection: { type: 'bridge', 'interface-name': 'wdbr2', zone: 'work', metered: 1, uuid: 'b-uuid' },
      bridge: { stp: false },
      '802-3-ethernet': { 'assigned-mac-address': mac, mtu: 9000 },
      ipv4: { method: 'auto', 'route-metric': 50 },
      ipv6: { method: 'auto', 'addr-gen-mode': 0, token: '::0:0:0:7' },
    });
  });

  it('leave the port its link settings and nothing of IP, and a hardware address that stays', () => {
    const plain = plainDbusValue(portProfile(applied, names, mac)) as Record<string, Record<string, unknown>>;
    expect(plain).toMatchObject({
      connection: { master: 'b-uuid', 'slave-type': 'bridge', type: '802-3-ethernet', uuid: 'p-uuid' },
      '802-3-ethernet': { 'auto-negotiate': true, 'assigned-mac-address': mac },
    });
    expect(Object.keys(plain).sort()).toEqual(['802-3-ethernet', 'connection']);
    expect(plain['connection']?.['zone']).toBeUndefined();
    expect(plain['802-3-ethernet']?.['cloned-mac-address']).toBeUndefined();
  });
});

describe('whether a bridge can be made over an interface', () => {
  const plain: LinkSituation = {
    name: 'enp3s0',
    index: 12,
    leased: [],
    connection: undefined,
    otherManager: undefined,
  };
  const why = (changes: Partial<LinkSituation>) => {
    const judged = judgeLink({ ...plain, ...changes });
    return judged.possible ? undefined : judged.why;
  };

  it('is said no to with the reason, and with what helps', () => {
    expect(why({ leased: ['10.0.0.9/24'] })).toMatch(
      /its address 10\.0\.0\.9\/24 is a lease.*NetworkManager/,
    );
    expect(why({ otherManager: 'systemd-networkd' })).toMatch(
      /systemd-networkd manages enp3s0.*its configuration/,
    );
    expect(why({ connection: { type: '802-3-ethernet', needsLogin: true } })).toMatch(/802\.1X/);
    expect(why({ connection: 'none' })).toMatch(/no active connection/);
    expect(why({ connection: { type: 'infiniband', needsLogin: false } })).toMatch(/infiniband/);
  });

  it('does not mind a lease where NetworkManager renews it', () => {
    const connection = { type: '802-3-ethernet', needsLogin: false };
    expect(judgeLink({ ...plain, connection, leased: ['10.0.0.9/24'] })).toEqual({
      possible: true,
      name: 'wdbr12',
    });
    expect(judgeLink(plain)).toEqual({ possible: true, name: 'wdbr12' });
  });
});
